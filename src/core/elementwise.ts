/** Elementwise operations in float32: one rounding for each element. `out` may be an input. */
import { ShapeError } from "../errors.ts";

/** out = a + b. @returns out @throws {ShapeError} if the lengths differ */
export function add(a: Float32Array, b: Float32Array, out: Float32Array): Float32Array {
  checkLengths("add", [a.length, b.length, out.length]);
  for (let i = 0; i < out.length; i++) out[i] = a[i]! + b[i]!;
  return out;
}

/**
 * out[row, j] = x[row, j] + bias[j].
 * @returns out
 * @throws {ShapeError} if x is not rows of bias.length elements
 */
export function addBias(x: Float32Array, bias: Float32Array, out: Float32Array): Float32Array {
  const n = bias.length;
  checkLengths("addBias", [x.length, out.length, Math.ceil(x.length / Math.max(n, 1)) * n]);
  for (let row = 0; row < x.length; row += n) {
    for (let j = 0; j < n; j++) out[row + j] = x[row + j]! + bias[j]!;
  }
  return out;
}

/** out = max(x, 0); −0 becomes 0, NaN stays. @returns out @throws {ShapeError} if lengths differ */
export function relu(x: Float32Array, out: Float32Array): Float32Array {
  checkLengths("relu", [x.length, out.length]);
  for (let i = 0; i < x.length; i++) out[i] = x[i]! <= 0 ? 0 : x[i]!;
  return out;
}

/** out = a · b. @returns out @throws {ShapeError} if the lengths differ */
export function multiply(a: Float32Array, b: Float32Array, out: Float32Array): Float32Array {
  checkLengths("multiply", [a.length, b.length, out.length]);
  for (let i = 0; i < out.length; i++) out[i] = a[i]! * b[i]!;
  return out;
}

/** out = x · fround(factor). @returns out @throws {ShapeError} if the lengths differ */
export function multiplyScalar(x: Float32Array, factor: number, out: Float32Array): Float32Array {
  checkLengths("multiplyScalar", [x.length, out.length]);
  const f = Math.fround(factor);
  for (let i = 0; i < x.length; i++) out[i] = x[i]! * f;
  return out;
}

function checkLengths(where: string, lengths: readonly number[]): void {
  if (lengths.every((length) => length === lengths[0])) return;
  throw new ShapeError(
    `${where}: expected arrays of one length, received ${lengths.join(", ")}. ` +
      `Pass arrays of the same shape.`,
  );
}
