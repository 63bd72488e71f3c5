import * as tf from "@tensorflow/tfjs";
import { beforeAll, describe, expect, it } from "vitest";
import { selectBackend } from "../../src/backends/select.ts";
import { captureStep } from "../../src/graph/captured-step.ts";
import { gridScale } from "../../src/ops/fake-quant.ts";
import { hasNative } from "../helpers/native.ts";
import { normals } from "../helpers/numeric.ts";

describe.skipIf(!hasNative)("a division by a constant in a captured step", () => {
  beforeAll(() => selectBackend("native"));

  it.each([
    ["a number", {}, (x: tf.Tensor1D) => tf.div(x, 127)],
    ["the scale of a grid", {}, (x: tf.Tensor1D) => gridScale(tf.abs(x), SPEC)],
    ["a number, XLA", { xla: true }, (x: tf.Tensor1D) => tf.div(x, 127)],
    ["the scale of a grid, XLA", { xla: true }, (x: tf.Tensor1D) => gridScale(tf.abs(x), SPEC)],
  ])("has the bits of eager ones: %s", (_name, how, step) => {
    const x = tf.tensor1d(normals(20_000, 1));
    const captured = captureStep((given: tf.Tensor1D) => step(given), how);
    const results = [1, 2, 3].map(() => captured.run(x).dataSync());
    expect(captured.report).toMatchObject({ replayed: 3, fallback: null });
    const eager = tf.tidy(() => step(x).dataSync());
    for (const values of results) expect(values).toEqual(eager);
    captured.dispose();
  });
});

const SPEC = { kind: "act", bits: 8, axis: 0, rounding: "half_even", compat: "none" } as const;
