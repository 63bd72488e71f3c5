import * as tf from "@tensorflow/tfjs";
import { expect, it } from "vitest";
import { sigmoid32, tanh32 } from "../../src/core/gate-activations.ts";
import { sigmoid, tanh } from "../../src/ops/gate-activations.ts";
import { describeVariants, expectFlatMemory } from "../helpers/backend-variants.ts";
import { expectClose, gradientsOf, normals, normalTensor } from "../helpers/numeric.ts";

const X = Float32Array.from([...normals(205, 1, 3), -100, 100, 0]);

describeVariants("gate activations", ({ sums }) => {
  it.each([
    ["sigmoid", sigmoid, sigmoid32, (y: number) => y * (1 - y)],
    ["tanh", tanh, tanh32, (y: number) => 1 - y * y],
  ] as const)("%s is core's, with its gradient", (_, operation, core, slope) => {
    const expected = X.map(core);
    const y = tf.tidy(() => operation(tf.tensor1d(X)).dataSync());
    if (sums === "exact") expect([...y]).toEqual([...expected]);
    else expectClose(y, expected, 1e-6);
    const weights = normals(X.length, 2);
    const [gradient] = gradientsOf(
      (x) => tf.sum(tf.mul(operation(x), normalTensor([X.length], 2))),
      [tf.tensor1d(X)],
    );
    expectClose(
      gradient!,
      expected.map((value, i) => weights[i]! * slope(value)),
      1e-6,
    );
    const kept = tf.tensor1d(X);
    expectFlatMemory(() => {
      tf.tidy(() => void tf.grad((x) => tf.sum(operation(x)))(kept));
    });
  });
});
