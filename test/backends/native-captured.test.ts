/** A graph of a step computes what the step computes, though TensorFlow rewrites it first. */
import * as tf from "@tensorflow/tfjs";
import { beforeAll, describe, expect, it } from "vitest";
import { selectBackend } from "../../src/backends/select.ts";
import { gridOf } from "../../src/core/affine.ts";
import { RandomStream } from "../../src/core/random.ts";
import { captureStep } from "../../src/graph/captured-step.ts";
import { dropout } from "../../src/ops/dropout.ts";
import {
  fakeQuant,
  fakeQuantCodes,
  gridScale,
  type FakeQuantSpec,
} from "../../src/ops/fake-quant.ts";
import { hasNative } from "../helpers/native.ts";
import { expectClose } from "../helpers/numeric.ts";

/** Runs until a step's graph exists. */
const WARM_UP = 4;

describe.runIf(hasNative).each([false, true])("captured on native, XLA: %s", (xla) => {
  beforeAll(() => selectBackend("native"));

  const kinds = ["weight", "relu"] as const;
  const roundings = ["half_even", "half_up"] as const;
  const specs = kinds.flatMap((kind) =>
    roundings.map((rounding): FakeQuantSpec => {
      return { kind, bits: 8, axis: null, rounding, compat: "none" };
    }),
  );

  // A divisor that is a constant of the graph would become a product with its reciprocal.
  it.each(specs)("fake quantization has the same codes at ties: $kind, $rounding", (spec) => {
    const random = new RandomStream({ seed: 4, stream: 0 });
    const all = (x: tf.Tensor, clip: tf.Tensor): tf.Tensor[] => [
      fakeQuantCodes(x, clip, spec),
      fakeQuant(x, clip, spec),
      gridScale(clip, spec),
    ];
    const step = captureStep((x: tf.Tensor, clip: tf.Tensor) => all(x, clip), { xla });
    for (let i = 0; i < WARM_UP + 12; i++) {
      const c = Math.fround(0.1 + 3 * random.uniform());
      const { scale } = gridOf(spec.kind, spec.bits, c, spec.rounding);
      tf.tidy(() => {
        const ties = Float32Array.from(
          { length: 4000 },
          () => (random.integer(600) - 299.5) * scale,
        );
        const [x, clip] = [tf.tensor1d(ties), tf.scalar(c)];
        // XLA leaves out the addition of 0 that turns −0 into 0.
        const valuesOf = (tensors: tf.Tensor[]): number[][] =>
          tensors.map((tensor) => Array.from(tensor.dataSync(), (v) => v + 0));
        expect(valuesOf(step.run(x, clip))).toEqual(valuesOf(all(x, clip)));
      });
    }
    expect(step.report).toMatchObject({ fallback: null, graphs: 1 });
    step.dispose();
  });

  it("dropout has the same mask for each seed", () => {
    const step = captureStep((x: tf.Tensor, seed: tf.Tensor) => dropout(x, 0.3, seed), { xla });
    for (let i = 0; i < WARM_UP + 4; i++) {
      tf.tidy(() => {
        const [x, seed] = [tf.ones([5000]), tf.scalar(7919 * i, "int32")];
        const expected = dropout(x, 0.3, seed).dataSync();
        // The quotient may differ in its last bit: a product with the reciprocal.
        expectClose(step.run(x, seed).dataSync(), expected, 2e-7);
      });
    }
    expect(step.report).toMatchObject({ fallback: null, graphs: 1 });
    step.dispose();
  });
});
