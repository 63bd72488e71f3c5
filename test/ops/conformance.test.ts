/** Every operation that may have a kernel gives the same results on every backend. */
import * as tf from "@tensorflow/tfjs";
import { afterEach, describe, expect, it, vi } from "vitest";
import { selectBackend } from "../../src/backends/select.ts";
import { KERNEL_NAMES, type KernelName } from "../../src/ops/kernel.ts";
import { BACKENDS, expectFlatMemory } from "../helpers/backend-variants.ts";
import { hasNative } from "../helpers/native.ts";
import { expectClose } from "../helpers/numeric.ts";
import { OPERATION_CASES } from "../helpers/operation-cases.ts";

function valuesOf(name: KernelName): ArrayLike<number>[] {
  return tf.tidy(() => OPERATION_CASES[name].run().map((tensor) => tensor.dataSync()));
}

afterEach(() => {
  vi.restoreAllMocks();
});

it("has a case for every kernel, which runs it", async () => {
  expect(Object.keys(OPERATION_CASES).sort()).toEqual([...KERNEL_NAMES].sort());
  await selectBackend("cpu");
  for (const name of KERNEL_NAMES) {
    const run = vi.spyOn(tf.engine(), "runKernel");
    valuesOf(name);
    expect(run.mock.calls.map(([kernel]) => kernel)).toContain(name);
    run.mockRestore();
  }
});

describe.each(BACKENDS.filter((backend) => backend !== "cpu"))("on %s", (backend) => {
  it.each(KERNEL_NAMES)("%s agrees with cpu", async (name) => {
    await selectBackend("cpu");
    const expected = valuesOf(name);
    await selectBackend(backend);
    const received = valuesOf(name);
    const { agreement } = OPERATION_CASES[name];
    expect(received.length).toBe(expected.length);
    received.forEach((values, i) => {
      if (agreement === "exact") expect([...Array.from(values)]).toEqual(Array.from(expected[i]!));
      else expectClose(values, expected[i]!, agreement);
    });
    expectFlatMemory(() => {
      tf.tidy(() => void OPERATION_CASES[name].run());
    });
  });
});

interface NativeBackend {
  binding: object;
}

describe.runIf(hasNative)("on native", () => {
  it.each(KERNEL_NAMES)("%s is made without a look at any value", async (name) => {
    await selectBackend("native");
    const backend = tf.backend() as unknown as NativeBackend;
    const { binding } = backend;
    const read = vi.fn(() => {
      throw new Error("a tensor's values were read");
    });
    backend.binding = Object.create(binding, { tensorDataSync: { value: read } }) as object;
    try {
      tf.tidy(() => void OPERATION_CASES[name].run());
    } finally {
      backend.binding = binding;
    }
    expect(read).not.toHaveBeenCalled();
  });
});
