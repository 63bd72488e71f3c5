/** Time of an LSTM layer, forward and backward and forward alone, in several forms: in one process, by turns. */
import * as tf from "@tensorflow/tfjs";
import { environmentOf, type Environment } from "./environment.ts";
import { KernelSwitch } from "./kernel-switch.ts";
import {
  quantLayer,
  type RecurrentLayer,
  type RecurrentSize,
  stockLayer,
} from "./recurrent-layers.ts";
import { RECURRENT_BATCHES, RECURRENT_SIZE, RECURRENT_TURNS } from "./settings.ts";

/** Forms of the layer. */
export type RecurrentForm = "fused" | "modular" | "stock";

/** Forward and backward, or forward alone. */
export type RecurrentTask = "training" | "evaluation";

/** Milliseconds, turn by turn. */
export interface RecurrentSamples {
  readonly task: RecurrentTask;
  readonly form: RecurrentForm;
  readonly isQuantized: boolean;
  readonly size: RecurrentSize;
  readonly milliseconds: readonly number[];
}

export interface RecurrentReport {
  readonly command: "recurrent";
  readonly environment: Environment;
  readonly samples: readonly RecurrentSamples[];
}

/** Kernels without which the layer runs step by step in our other kernels. */
const SEQUENCE_KERNELS = ["QatLstmSequence", "QatLstmSequenceGrad"] as const;

export async function measureRecurrent(note: (line: string) => void): Promise<RecurrentReport> {
  const backend = await KernelSwitch.install();
  const samples: RecurrentSamples[] = [];
  for (const batch of RECURRENT_BATCHES) {
    samples.push(...measureSize({ ...RECURRENT_SIZE, batch }, backend));
    note(`batch ${batch}`);
  }
  return { command: "recurrent", environment: environmentOf(), samples };
}

interface Contender {
  readonly task: RecurrentTask;
  readonly form: RecurrentForm;
  readonly isQuantized: boolean;
  readonly layer: RecurrentLayer;
  readonly milliseconds: number[];
}

function measureSize(size: RecurrentSize, backend: KernelSwitch): RecurrentSamples[] {
  const layers = [false, true].map((isQuantized) => quantLayer(size, isQuantized));
  const stock = stockLayer(size, layers[0]!);
  const contenders = (["training", "evaluation"] as const).flatMap((task): Contender[] => [
    ...layers.flatMap((layer, i) =>
      (["fused", "modular"] as const).map((form) => {
        return { task, form, isQuantized: i === 1, layer, milliseconds: [] };
      }),
    ),
    { task, form: "stock", isQuantized: false, layer: stock, milliseconds: [] },
  ]);
  // The first turn compiles and allocates.
  for (let turn = -1; turn < RECURRENT_TURNS; turn++) {
    for (const { task, form, layer, milliseconds } of contenders) {
      prepare(backend, form);
      const time = timeOf(layer, task);
      if (turn >= 0) milliseconds.push(time);
    }
  }
  backend.useOurs();
  for (const layer of [...layers, stock]) layer.dispose();
  return contenders.map(({ task, form, isQuantized, milliseconds }) => {
    return { task, form, isQuantized, size, milliseconds };
  });
}

function prepare(backend: KernelSwitch, form: RecurrentForm): void {
  if (form === "stock") backend.useStock();
  else backend.useOurs(form === "modular" ? SEQUENCE_KERNELS : []);
}

function timeOf(layer: RecurrentLayer, task: RecurrentTask): number {
  const start = performance.now();
  if (task === "training") tf.dispose(layer.gradients());
  else tf.dispose(layer.outputs());
  return performance.now() - start;
}
