/** Matrix products of float32 with a fixed order of operations. */
import { ShapeError } from "../errors.ts";

/** Sizes and layout of {@link floatProduct}. */
export interface FloatProductSpec {
  readonly m: number;
  readonly k: number;
  readonly n: number;
  /** True where the left operand is [k, m] instead of [m, k]. */
  readonly transposeA?: boolean;
  /** True where the right operand is [n, k] instead of [k, n]. */
  readonly transposeB?: boolean;
}

/**
 * y[i, j] = Σ over p = 0 … k−1, in this order: acc = fround(acc + fround(a[i, p]·b[p, j])) from +0. An
 * element depends on its row and its column alone, not on the other rows of a batch, nor on padding
 * beyond them, and zeros at the end of the common axis change nothing.
 * @param a float32 [m, k], or [k, m] with transposeA
 * @param b float32 [k, n], or [n, k] with transposeB
 * @returns float32 [m, n]
 * @throws {ShapeError} if an operand's length does not fit
 */
export function floatProduct(
  a: Float32Array,
  b: Float32Array,
  spec: FloatProductSpec,
): Float32Array {
  const { m, k, n, transposeA = false, transposeB = false } = spec;
  if (a.length !== m * k || b.length !== k * n) {
    throw new ShapeError(
      `floatProduct: expected ${m}·${k} and ${k}·${n} elements, received ${a.length} and ` +
        `${b.length}. Pass row-major operands of these sizes.`,
    );
  }
  const f = Math.fround;
  const y = new Float32Array(m * n);
  const [rowA, columnA] = transposeA ? [1, m] : [k, 1];
  const [rowB, columnB] = transposeB ? [1, k] : [n, 1];
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let acc = 0;
      for (let p = 0; p < k; p++) {
        acc = f(acc + f(a[i * rowA + p * columnA]! * b[p * rowB + j * columnB]!));
      }
      y[i * n + j] = acc;
    }
  }
  return y;
}
