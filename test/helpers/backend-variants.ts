/** Runs the same tests on every backend, with our kernels and with the compositions. */
import * as tf from "@tensorflow/tfjs";
import { afterAll, beforeAll, describe, expect } from "vitest";
import { selectBackend } from "../../src/backends/select.ts";
import { hasNative } from "./native.ts";

/** Backends that operations are tested on; native where it is installed. */
export const BACKENDS = ["cpu", "wasm", ...(hasNative ? (["native"] as const) : [])] as const;

/**
 * What a result must agree with. `exact`: core's bits, on a backend whose kernels take core's steps.
 * `close`: core's values to a tolerance. That are the compositions, and native's kernels where they
 * sum floats or use an exponential: TensorFlow sums in an order of its own (vectors of 4 to 16, in
 * blocks, on several threads) and has polynomials of its own. Rounding errors of such sums grow with
 * the number of terms K like K·2^−24 at most, of whole softmaxes like (K + 4)·2^−24; K is below 100
 * in these tests, so that 1e-5, or 1e-6 where terms are averaged, bounds them. Everything else is
 * exact on native too: codes, values of fake quantization, products of codes, masks of dropout, rows
 * of a table, the order of candidates, Adam.
 */
export type Agreement = "exact" | "close";

export interface Variant {
  readonly backend: (typeof BACKENDS)[number];
  readonly mode: "kernels" | "composition";
  /** For results that sum floats, or use exponentials. */
  readonly sums: Agreement;
}

const VARIANTS = BACKENDS.flatMap((backend) =>
  (["kernels", "composition"] as const).map((mode): Variant => {
    return { backend, mode, sums: mode === "kernels" && backend !== "native" ? "exact" : "close" };
  }),
);

/** One `describe` block for each backend, with kernels and with compositions. */
export function describeVariants(name: string, tests: (variant: Variant) => void): void {
  describe.each(VARIANTS)(`${name} on $backend, $mode`, (variant) => {
    let removed: tf.KernelConfig[] = [];
    beforeAll(async () => {
      const { backend, kernels } = await selectBackend(variant.backend);
      if (variant.mode === "kernels") return;
      removed = kernels.map((kernel) => tf.getKernel(kernel, backend));
      for (const kernel of kernels) tf.unregisterKernel(kernel, backend);
    });
    afterAll(() => {
      removed.forEach(tf.registerKernel);
    });
    tests(variant);
  });
}

/** One `describe` block for each backend, with our kernels. */
export function describeBackends(
  name: string,
  tests: (backend: (typeof BACKENDS)[number]) => void,
): void {
  describe.each(BACKENDS)(`${name} on %s`, (backend) => {
    beforeAll(() => selectBackend(backend));
    tests(backend);
  });
}

/** Runs `use` twice and expects that it leaves no tensor and no memory of the backend behind. */
export function expectFlatMemory(use: () => void): void {
  const backend = tf.backend() as unknown as {
    numDataIds(): number;
    /** Tensors inside TensorFlow, on native. */
    getNumOfTFTensors?(): number;
  };
  const count = (): number[] => [tf.memory().numTensors, backend.numDataIds()];
  const before = count();
  use();
  // Not before: what the caller's tensors hold reaches TensorFlow at their first use.
  const handles = backend.getNumOfTFTensors?.();
  use();
  expect(count()).toEqual(before);
  expect(backend.getNumOfTFTensors?.()).toBe(handles);
}
