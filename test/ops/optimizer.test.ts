import * as tf from "@tensorflow/tfjs";
import { expect, it } from "vitest";
import { adamRate, adamUpdate } from "../../src/ops/adam.ts";
import { globalNorm } from "../../src/ops/global-norm.ts";
import { describeVariants, expectFlatMemory } from "../helpers/backend-variants.ts";
import { expectClose, normals, normalTensor } from "../helpers/numeric.ts";

describeVariants("adamUpdate", () => {
  it("follows Keras' form over several steps", () => {
    const [learningRate, beta1, beta2, epsilon] = [0.1, 0.9, 0.98, 1e-9];
    const value = Float64Array.from(normals(11, 1));
    const m = new Float64Array(11);
    const v = new Float64Array(11);
    let state = {
      value: tf.tensor1d(normals(11, 1)) as tf.Tensor,
      m: tf.zeros<tf.Rank>([11]),
      v: tf.zeros<tf.Rank>([11]),
    };
    for (let step = 1; step <= 4; step++) {
      const g = normals(11, 10 + step);
      const gradient = tf.tensor1d(g);
      const rate = tf.scalar(adamRate(learningRate, { beta1, beta2 }, step));
      state = adamUpdate({ ...state, gradient, rate, beta1, beta2, epsilon });
      const alpha = (learningRate * Math.sqrt(1 - beta2 ** step)) / (1 - beta1 ** step);
      for (let i = 0; i < 11; i++) {
        m[i] = beta1 * m[i]! + (1 - beta1) * g[i]!;
        v[i] = beta2 * v[i]! + (1 - beta2) * g[i]! ** 2;
        value[i]! -= (alpha * m[i]!) / (Math.sqrt(v[i]!) + epsilon);
      }
      expectClose(state.value.dataSync(), value, 1e-5);
      expectClose(state.m.dataSync(), m, 1e-6);
      expectClose(state.v.dataSync(), v, 1e-6);
    }
  });

  it("leaves its inputs as they are, and nothing behind", () => {
    const x = tf.ones([3]);
    const settings = { rate: tf.scalar(1), beta1: 0.9, beta2: 0.99, epsilon: 1e-8 };
    expectFlatMemory(() => {
      const next = adamUpdate({ value: x, gradient: x, m: x, v: x, ...settings });
      tf.dispose([next.value, next.m, next.v]);
    });
    expect([...x.dataSync()]).toEqual([1, 1, 1]);
  });
});

describeVariants("globalNorm", () => {
  it("is the length of all tensors as one vector", () => {
    const norm = globalNorm([tf.tensor1d([3, 0]), tf.scalar(4), tf.tensor2d([12], [1, 1])]);
    expectClose(norm.dataSync(), [13], 1e-6);
    expect(globalNorm([]).dataSync()[0]).toBe(0);
    const x = normalTensor([50], 1);
    expectFlatMemory(() => {
      globalNorm([x, x]).dispose();
    });
  });
});
