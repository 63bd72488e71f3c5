import * as tf from "@tensorflow/tfjs";
import { beforeAll, expect, it } from "vitest";
import { KernelSwitch } from "../../bench/kernel-switch.ts";
import { quantLayer, type RecurrentLayer, stockLayer } from "../../bench/recurrent-layers.ts";
import { recurrentReport } from "../../bench/recurrent-report.ts";
import { hasKernel } from "../../src/ops/kernel.ts";
import { expectFlatMemory } from "../helpers/backend-variants.ts";
import { expectClose } from "../helpers/numeric.ts";

const SIZE = { units: 6, inputs: 5, time: 4, batch: 3 };
const SEQUENCE = ["QatLstmSequence", "QatLstmSequenceGrad"] as const;

let backend: KernelSwitch;
beforeAll(async () => {
  backend = await KernelSwitch.install();
});

/** Outputs and the gradient of the input. */
function figuresOf(layer: RecurrentLayer): Float32Array[] {
  return tf.tidy(() => {
    const gradients = layer.gradients();
    return [layer.outputs(), gradients[layer.x.name]!].map((x) => x.dataSync<"float32">());
  });
}

it("the forms that are compared compute the same, and hold no memory", () => {
  const [ours, quantized] = [quantLayer(SIZE, false), quantLayer(SIZE, true)];
  const stock = stockLayer(SIZE, ours);
  backend.useOurs();
  expect(hasKernel("QatLstmSequence")).toBe(true);
  const [fused, fusedQuantized] = [ours, quantized].map(figuresOf);
  backend.useOurs(SEQUENCE);
  expect(SEQUENCE.map(hasKernel)).toEqual([false, false]);
  expect(hasKernel("QatSigmoid")).toBe(true);
  const modular = figuresOf(ours);
  const modularQuantized = figuresOf(quantized);
  backend.useStock();
  expect(hasKernel("QatSigmoid")).toBe(false);
  const published = figuresOf(stock);
  backend.useOurs(SEQUENCE);
  backend.useOurs();
  expect(SEQUENCE.map(hasKernel)).toEqual([true, true]);
  fused!.forEach((values, i) => {
    expectClose(values, modular[i]!, 1e-5);
    expectClose(values, published[i]!, 1e-5);
    expectClose(fusedQuantized![i]!, modularQuantized[i]!, 1e-5);
  });
  expect([...fusedQuantized![0]!]).not.toEqual([...fused![0]!]);
  expectFlatMemory(() => {
    tf.dispose(ours.gradients());
  });
  for (const layer of [ours, quantized, stock]) layer.dispose();
});

it("the report compares turns with the sequence kernel", () => {
  const row = { task: "training" as const, isQuantized: false, size: { ...SIZE, batch: 16 } };
  const environment = {
    ...{ date: "2026-01-01", node: "22", tfjs: "4", tfjs_qat: "0", torch: null },
    ...{ tensorflow: null, cpu: "a", logical_cores: 2, threads: 1 },
  };
  const report = recurrentReport({
    command: "recurrent",
    environment,
    samples: [
      { form: "fused", ...row, milliseconds: [10, 100, 10] },
      { form: "stock", ...row, milliseconds: [80, 900, 80] },
    ],
  });
  expect(report).toMatch(
    /tf\.layers\.lstm +\| float +\| +16 \| +80\.0 \| +80\.0 \| +900 \| +8\.00 \|/,
  );
});
