import * as tf from "@tensorflow/tfjs";
import { expect, it } from "vitest";
import { smoothedCrossEntropy } from "../../src/ops/cross-entropy.ts";
import { describeVariants, expectFlatMemory } from "../helpers/backend-variants.ts";
import {
  expectClose,
  finiteDifferences,
  gradientsOf,
  normals,
  normalTensor,
} from "../helpers/numeric.ts";

/** The definition, in float64. */
function plainLoss(logits: Float32Array, target: number, smoothing: number): number {
  const classes = logits.length;
  const max = Math.max(...logits);
  const logSum = Math.log(logits.reduce((sum, v) => sum + Math.exp(v - max), 0)) + max;
  const rest = smoothing / (classes - 1);
  let loss = 0;
  logits.forEach((v, j) => {
    loss -= (j === target ? 1 - smoothing : rest) * (v - logSum);
  });
  const perfect =
    (1 - smoothing) * Math.log(1 - smoothing) + (classes - 1) * rest * Math.log(rest + 1e-20);
  return loss + perfect;
}

describeVariants("smoothedCrossEntropy", () => {
  const targets = [0, 40, 7, 7];

  it.each([0, 0.1])("is its definition, smoothing %f", (smoothing) => {
    const logits = normals(4 * 41, 1, 4);
    const expected = targets.map((t, i) =>
      plainLoss(logits.slice(i * 41, i * 41 + 41), t, smoothing),
    );
    const loss = tf.tidy(() =>
      smoothedCrossEntropy(
        tf.tensor2d(logits, [4, 41]),
        tf.tensor1d(targets, "int32"),
        smoothing,
      ).dataSync(),
    );
    expectClose(loss, expected, 1e-5);
  });

  it("is zero at a perfect prediction", () => {
    const q = [0.9, 0.05, 0.05].map(Math.log);
    const loss = tf.tidy(() =>
      smoothedCrossEntropy(tf.tensor2d(q, [1, 3]), tf.tensor1d([0], "int32"), 0.1).dataSync(),
    );
    expectClose(loss, [0], 1e-6);
  });

  it("has the gradient of finite differences and of TensorFlow.js' own operations", () => {
    const logits = normalTensor<tf.Rank.R2>([4, 5], 2);
    const ids = tf.tensor1d([0, 4, 2, 2], "int32");
    const weights = tf.tensor1d([1, -2, 0, 0.5]);
    const loss = (x: tf.Tensor): tf.Tensor =>
      tf.sum(tf.mul(smoothedCrossEntropy(x as tf.Tensor2D, ids, 0.1), weights));
    const plain = (x: tf.Tensor): tf.Tensor => {
      const q = tf.add(tf.mul(tf.cast(tf.oneHot(ids, 5), "float32"), 0.875), 0.025);
      return tf.neg(tf.sum(tf.mul(tf.sum(tf.mul(q, tf.logSoftmax(x)), 1), weights)));
    };
    const [own] = gradientsOf((x) => loss(x), [logits]);
    expectClose(own!, gradientsOf((x) => plain(x), [logits])[0]!, 1e-5);
    expectClose(own!, finiteDifferences(loss, logits, 1e-2), 1e-3);
  });

  it("takes no rows, keeps NaN, leaves nothing behind", () => {
    const none = smoothedCrossEntropy(tf.zeros([0, 5]), tf.zeros([0], "int32"), 0.1);
    expect(none.shape).toEqual([0]);
    const bad = smoothedCrossEntropy(
      tf.tensor2d([1, NaN, 2], [1, 3]),
      tf.tensor1d([0], "int32"),
      0.1,
    );
    expect(bad.dataSync()[0]).toBeNaN();
    const ids = tf.tensor1d([1, 2], "int32");
    expectFlatMemory(() => {
      tf.tidy(() => {
        tf.grad((x: tf.Tensor) => tf.sum(smoothedCrossEntropy(x as tf.Tensor2D, ids, 0.1)))(
          tf.ones([2, 3]),
        );
      });
    });
  });
});
