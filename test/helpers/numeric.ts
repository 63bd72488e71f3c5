/** Seeded values, and gradients by finite differences. */
import * as tf from "@tensorflow/tfjs";
import { expect } from "vitest";
import { RandomStream } from "../../src/core/random.ts";

/** Normal float32 values; the same for the same seed. */
export function normals(size: number, seed: number, deviation = 1): Float32Array {
  const random = new RandomStream({ seed, stream: 0 });
  return Float32Array.from({ length: size }, () => random.normal() * deviation);
}

/** A float32 tensor of {@link normals}. */
export function normalTensor<R extends tf.Rank>(
  shape: tf.ShapeMap[R],
  seed: number,
  deviation = 1,
): tf.Tensor<R> {
  const size = shape.reduce((a, b) => a * b, 1);
  return tf.tensor(normals(size, seed, deviation), shape, "float32");
}

/** Expects |received − expected| ≤ tolerance·(1 + |expected|), element by element. */
export function expectClose(
  received: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: number,
): void {
  expect(received.length).toBe(expected.length);
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs(received[i]! - expected[i]!);
    if (difference <= tolerance * (1 + Math.abs(expected[i]!))) continue;
    expect.fail(`element ${i}: expected ${expected[i]!}, received ${received[i]!}`);
  }
}

/** d f(x)/d x[i] by central differences, for a scalar f of one float32 tensor. */
export function finiteDifferences(
  f: (x: tf.Tensor) => tf.Tensor,
  x: tf.Tensor,
  step: number,
): Float32Array {
  const values = x.dataSync();
  const at = (i: number, delta: number): number =>
    tf.tidy(() => {
      const moved = Float32Array.from(values);
      moved[i] = moved[i]! + delta;
      return f(tf.tensor(moved, x.shape)).dataSync()[0]!;
    });
  return Float32Array.from(values, (_, i) => (at(i, step) - at(i, -step)) / (2 * step));
}

/** Gradients of the scalar f with respect to every input. */
export function gradientsOf(
  f: (...inputs: tf.Tensor[]) => tf.Tensor,
  inputs: tf.Tensor[],
): Float32Array[] {
  return tf.tidy(() =>
    tf
      .grads((...xs: tf.Tensor[]) => f(...xs))(inputs)
      .map((g) => g.dataSync() as Float32Array),
  );
}

/** Gives a variable values, one by one in row-major order. */
export function fillVariable(variable: tf.Variable, next: () => number): void {
  const values = Float32Array.from({ length: variable.size }, next);
  tf.tidy(() => {
    variable.assign(tf.tensor(values, variable.shape));
  });
}
