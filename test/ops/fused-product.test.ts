import * as tf from "@tensorflow/tfjs";
import { expect, it } from "vitest";
import { fusedProduct } from "../../src/ops/fused-product.ts";
import { describeBackends, expectFlatMemory } from "../helpers/backend-variants.ts";

describeBackends("fusedProduct", () => {
  it("rounds once for each term, in the order of the common axis", () => {
    // 1 + 2^-24 is a tie that rounds to 1; the exact sum 1 + 2^-23 would not.
    const a = tf.tensor3d([1, 2 ** -24, 2 ** -24, 2 ** -24, 2 ** -24, 1], [2, 1, 3]);
    const b = tf.ones<tf.Rank.R3>([2, 3, 1]);
    expect([...fusedProduct(a, b).dataSync()]).toEqual([1, 1 + 2 ** -23]);
    // (1 + 2^-12)² − 1 − 2^-11 keeps its last bit, because the product is not rounded.
    const x = tf.tensor2d([-1 - 2 ** -11, 1 + 2 ** -12], [1, 2]);
    const y = tf.tensor2d([1, 1 + 2 ** -12], [2, 1]);
    expect(fusedProduct(x, y).dataSync()[0]).toBe(2 ** -24);
    tf.dispose([a, b, x, y]);
  });

  it("has the gradients of a matrix product and leaks nothing", () => {
    const a = tf.randomUniform([2, 3, 4, 5], -1, 1, "float32", 1);
    const b = tf.randomUniform([2, 3, 5, 2], -1, 1, "float32", 2);
    const gradients = (f: (a: tf.Tensor, b: tf.Tensor) => tf.Tensor): number[][] =>
      tf.tidy(
        () =>
          tf
            .grads((x, y) => tf.sum(tf.square(f(x, y))))([a, b])
            .map((g) => [...g.dataSync()]) as never,
      );
    const ours = gradients(fusedProduct).flat();
    const theirs = gradients((x, y) => tf.matMul(x, y)).flat();
    ours.forEach((g, i) => {
      expect(g).toBeCloseTo(theirs[i]!, 4);
    });
    expectFlatMemory(() => {
      gradients(fusedProduct);
    });
    tf.dispose([a, b]);
  });
});
