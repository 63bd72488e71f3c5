/** Time of each of our kernels against the backend as published, in one process, by turns. */
import * as tf from "@tensorflow/tfjs";
import { environmentOf, type Environment } from "./environment.ts";
import { activationCases, endCases, productCases, type KernelCase } from "./kernel-cases.ts";
import { KernelSwitch } from "./kernel-switch.ts";
import { KERNEL_ROUNDS, SAMPLE_MILLISECONDS } from "./settings.ts";

/** Milliseconds of one call, round by round. */
export interface KernelSamples {
  readonly name: string;
  readonly shape: readonly number[];
  readonly operations: number | null;
  readonly ours: readonly number[];
  readonly stock: readonly number[];
  /** tf.add of two float32 tensors of the shape: the unit. */
  readonly add: readonly number[];
}

export interface KernelsSamples {
  readonly command: "kernels";
  readonly environment: Environment;
  readonly kernels: readonly KernelSamples[];
}

export async function measureKernels(note: (line: string) => void): Promise<KernelsSamples> {
  const backend = await KernelSwitch.install();
  const cases = [activationCases, endCases, productCases];
  const kernels: KernelSamples[] = [];
  for (const kernel of cases.flatMap((make) => make())) {
    kernels.push(measureCase(kernel, backend));
    note(kernel.name);
  }
  return { command: "kernels", environment: environmentOf(), kernels };
}

function measureCase(kernel: KernelCase, backend: KernelSwitch): KernelSamples {
  const { name, shape, operations } = kernel;
  const operand = tf.keep(tf.ones([...shape]));
  const add = (): void => {
    tf.add(operand, operand);
  };
  const useOurs = (): void => {
    backend.useOurs();
  };
  const useStock = (): void => {
    backend.useStock();
  };
  const contenders: readonly Contender[] = [
    { prepare: useOurs, run: kernel.run, samples: [] },
    { prepare: useStock, run: kernel.run, samples: [] },
    { prepare: useOurs, run: add, samples: [] },
  ];
  const counts = contenders.map(({ prepare, run }) => {
    prepare();
    return callsOf(run);
  });
  for (let round = 0; round < KERNEL_ROUNDS; round++) {
    contenders.forEach(({ prepare, run, samples }, i) => {
      prepare();
      samples.push(timeOf(run, counts[i]!) / counts[i]!);
    });
  }
  backend.useOurs();
  operand.dispose();
  const [ours, stock, unit] = contenders.map(({ samples }) => samples);
  return { name, shape, operations, ours: ours!, stock: stock!, add: unit! };
}

/** One of those that take turns. */
interface Contender {
  readonly prepare: () => void;
  readonly run: () => void;
  readonly samples: number[];
}

/** Calls that fill a sample, from the second call on. */
function callsOf(run: () => void): number {
  timeOf(run, 1);
  return Math.max(1, Math.ceil(SAMPLE_MILLISECONDS / Math.max(timeOf(run, 1), 0.01)));
}

function timeOf(run: () => void, calls: number): number {
  const start = performance.now();
  for (let i = 0; i < calls; i++) {
    // Not tf.tidy(run): it would hand the result to us.
    tf.tidy(() => {
      run();
    });
  }
  return performance.now() - start;
}
