import * as tf from "@tensorflow/tfjs";
import { expect, it } from "vitest";
import { layerNorm as referenceLayerNorm } from "../../src/core/layer-norm.ts";
import { layerNorm } from "../../src/ops/layer-norm.ts";
import { describeVariants, expectFlatMemory } from "../helpers/backend-variants.ts";
import {
  expectClose,
  finiteDifferences,
  gradientsOf,
  normals,
  normalTensor,
} from "../helpers/numeric.ts";

/** Layer normalization that TensorFlow.js can differentiate by itself. */
function plainLayerNorm(x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor): tf.Tensor {
  const mean = tf.mean(x, -1, true);
  const centred = tf.sub(x, mean);
  const variance = tf.mean(tf.square(centred), -1, true);
  return tf.add(tf.mul(tf.div(centred, tf.sqrt(tf.add(variance, 1e-3))), gamma), beta);
}

describeVariants("layerNorm", ({ sums }) => {
  const shape: [number, number, number] = [3, 5, 7];
  const x = normals(105, 1, 3);
  const gamma = normals(7, 2);
  const beta = normals(7, 3);

  it("is core's layer norm, bit for bit where it is a kernel", () => {
    const expected = new Float32Array(105);
    referenceLayerNorm(x, expected, { gamma, beta, epsilon: 1e-6 });
    const y = tf.tidy(() =>
      layerNorm(tf.tensor3d(x, shape), tf.tensor1d(gamma), tf.tensor1d(beta), 1e-6).dataSync(),
    );
    if (sums === "exact") expect([...y]).toEqual([...expected]);
    else expectClose(y, expected, 1e-5);
  });

  it("has the gradients of the composition and of finite differences", () => {
    const inputs = [tf.tensor3d(x, shape), tf.tensor1d(gamma), tf.tensor1d(beta)];
    const weights = normalTensor(shape, 4);
    const loss = (y: tf.Tensor): tf.Tensor => tf.sum(tf.mul(tf.square(y), weights));
    const own = gradientsOf(
      (a, g, b) => loss(layerNorm(a, g as tf.Tensor1D, b as tf.Tensor1D, 1e-3)),
      inputs,
    );
    const plain = gradientsOf((a, g, b) => loss(plainLayerNorm(a, g, b)), inputs);
    own.forEach((gradient, i) => {
      expectClose(gradient, plain[i]!, 1e-4);
    });
    const numeric = finiteDifferences(
      (a) => loss(plainLayerNorm(a, inputs[1]!, inputs[2]!)),
      inputs[0]!,
      1e-2,
    );
    expectClose(own[0]!, numeric, 2e-2);
  });

  it("takes one row, no rows, and leaves nothing behind", () => {
    const g = tf.ones<tf.Rank.R1>([4]);
    const b = tf.zeros<tf.Rank.R1>([4]);
    expect(layerNorm(tf.zeros([0, 4]), g, b, 1e-6).shape).toEqual([0, 4]);
    expectFlatMemory(() => {
      tf.tidy(() => {
        const [dx, dgamma] = tf.grads((a: tf.Tensor, c: tf.Tensor) =>
          tf.sum(layerNorm(a, c as tf.Tensor1D, b, 1e-6)),
        )([tf.tensor1d([1, 2, 3, 4]), g]);
        expect([dx!.shape, dgamma!.shape]).toEqual([[4], [4]]);
      });
    });
  });
});
