/** Runs the same tests on every backend, with our kernels and with the compositions. */
import * as tf from "@tensorflow/tfjs";
import { afterAll, beforeAll, describe, expect } from "vitest";
import { selectBackend } from "../../src/backends/select.ts";
import { KERNEL_NAMES } from "../../src/ops/kernel.ts";

const VARIANTS = [
  { backend: "cpu", mode: "kernels" },
  { backend: "cpu", mode: "composition" },
  { backend: "wasm", mode: "kernels" },
  { backend: "wasm", mode: "composition" },
] as const;

export type Variant = (typeof VARIANTS)[number];

/** One `describe` block for each backend, with kernels and with compositions. */
export function describeVariants(name: string, tests: (variant: Variant) => void): void {
  describe.each(VARIANTS)(`${name} on $backend, $mode`, (variant) => {
    let removed: tf.KernelConfig[] = [];
    beforeAll(async () => {
      await selectBackend(variant.backend);
      if (variant.mode === "kernels") return;
      removed = KERNEL_NAMES.map((kernel) => tf.getKernel(kernel, variant.backend));
      for (const kernel of KERNEL_NAMES) tf.unregisterKernel(kernel, variant.backend);
    });
    afterAll(() => {
      removed.forEach(tf.registerKernel);
    });
    tests(variant);
  });
}

/** One `describe` block for each backend, with our kernels. */
export function describeBackends(name: string, tests: (backend: "cpu" | "wasm") => void): void {
  describe.each(["cpu", "wasm"] as const)(`${name} on %s`, (backend) => {
    beforeAll(() => selectBackend(backend));
    tests(backend);
  });
}

/** Runs `use` twice and expects that it leaves no tensor and no memory of the backend behind. */
export function expectFlatMemory(use: () => void): void {
  const count = (): number[] => [
    tf.memory().numTensors,
    (tf.backend() as unknown as { numDataIds(): number }).numDataIds(),
  ];
  const before = count();
  use();
  use();
  expect(count()).toEqual(before);
}
