/**
 * Integer matrix products: codes times codes in int32, scaled to float32 once. Being exact, the
 * order of summation does not matter.
 */
import type { CodeArray } from "./quantize.ts";
import { maxAbs } from "./quantize.ts";
import { ShapeError } from "../errors.ts";

/** Sizes and zero points of {@link integerProduct}. */
export interface ProductSpec {
  readonly m: number;
  readonly k: number;
  readonly n: number;
  /** True where the right operand is [n, k] instead of [k, n]. */
  readonly transposeB?: boolean;
  /** Zero point of the left operand; default 0. */
  readonly zeroA?: number;
  /** Zero point of the right operand; default 0. */
  readonly zeroB?: number;
}

/**
 * acc[i, j] = Σ_k (a[i, k] − zeroA)·(b[k, j] − zeroB), in int32.
 * @param a codes [m, k]
 * @param b codes [k, n], or [n, k] with transposeB
 * @returns [m, n]
 * @throws {ShapeError} if an operand's length does not fit, or the sum could leave int32
 */
export function integerProduct(a: CodeArray, b: CodeArray, spec: ProductSpec): Int32Array {
  const { m, k, n } = spec;
  if (a.length !== m * k || b.length !== k * n) {
    throw new ShapeError(
      `integerProduct: expected ${m}·${k} and ${k}·${n} codes, received ${a.length} and ` +
        `${b.length}. Pass row-major operands of these sizes.`,
    );
  }
  const left = shifted(a, spec.zeroA ?? 0);
  const right = shifted(b, spec.zeroB ?? 0);
  const bound = k * maxAbs(left) * maxAbs(right);
  if (bound >= 2 ** 31) {
    throw new ShapeError(
      `integerProduct: expected sums below 2^31, received codes whose sum can reach ${bound}. ` +
        `Use fewer bits or a shorter inner dimension.`,
    );
  }
  const acc = new Int32Array(m * n);
  if (spec.transposeB === true) multiplyTransposed(left, right, acc, spec);
  else multiply(left, right, acc, spec);
  return acc;
}

/** Codes minus their zero point as int32; the array itself where nothing changes. */
function shifted(codes: CodeArray, zero: number): Int32Array {
  if (codes instanceof Int32Array && zero === 0) return codes;
  const out = Int32Array.from(codes);
  if (zero !== 0) for (let i = 0; i < out.length; i++) out[i]! -= zero;
  return out;
}

function multiply(a: Int32Array, b: Int32Array, acc: Int32Array, spec: ProductSpec): void {
  const { m, k, n } = spec;
  for (let i = 0; i < m; i++) {
    const row = i * n;
    for (let p = 0; p < k; p++) {
      const factor = a[i * k + p]!;
      if (factor === 0) continue;
      const from = p * n;
      for (let j = 0; j < n; j++)
        acc[row + j] = (acc[row + j]! + Math.imul(factor, b[from + j]!)) | 0;
    }
  }
}

function multiplyTransposed(
  a: Int32Array,
  b: Int32Array,
  acc: Int32Array,
  spec: ProductSpec,
): void {
  const { m, k, n } = spec;
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      const left = i * k;
      const right = j * k;
      let sum = 0;
      for (let p = 0; p < k; p++) sum = (sum + Math.imul(a[left + p]!, b[right + p]!)) | 0;
      acc[i * n + j] = sum;
    }
  }
}

/** The scales of a product's operands, float32, and what is added after scaling. */
export interface AccumulatorScale {
  /** Scale of the left operand. */
  readonly scaleA: number;
  /** Scale of the right operand: one, or one for each column. */
  readonly scaleB: ArrayLike<number>;
  /** One float32 for each column, added as a separate rounding. */
  readonly bias?: ArrayLike<number> | null;
}

/**
 * y[i, j] = fround(fround(acc[i, j]) · fround(scaleA·scaleB[j])), then + bias[j] as a separate
 * rounding.
 * @param acc [rows, n]
 * @returns float32 [rows, n]
 * @throws {ShapeError} if the number of scales is neither 1 nor n, or bias has not n elements
 */
export function scaleAccumulator(
  acc: Int32Array,
  n: number,
  { scaleA, scaleB, bias }: AccumulatorScale,
): Float32Array {
  if ((scaleB.length !== 1 && scaleB.length !== n) || (bias && bias.length !== n)) {
    throw new ShapeError(
      `scaleAccumulator: expected 1 or ${n} scales and no or ${n} biases, received ` +
        `${scaleB.length} and ${bias?.length ?? 0}. Give one for each output channel.`,
    );
  }
  const f = Math.fround;
  const scales = Float32Array.from({ length: n }, (_, j) => {
    return f(scaleA) * f(scaleB[scaleB.length === 1 ? 0 : j]!);
  });
  const y = new Float32Array(acc.length);
  for (let row = 0; row < acc.length; row += n) {
    for (let j = 0; j < n; j++) y[row + j] = f(acc[row + j]!) * scales[j]!;
  }
  if (bias) {
    for (let row = 0; row < y.length; row += n) {
      for (let j = 0; j < n; j++) y[row + j] = y[row + j]! + f(bias[j]!);
    }
  }
  return y;
}

/**
 * Largest K for which a float32 product of codes is exact in any order of summation:
 * K·maxAbsA·maxAbsB ≤ 2^24. Longer products are cut into slices of this length.
 * @returns at least 1; Infinity if one operand is always zero
 * @throws {ShapeError} if even K = 1 is not exact (16-bit by 16-bit codes)
 */
export function exactSlice(maxAbsA: number, maxAbsB: number): number {
  const product = maxAbsA * maxAbsB;
  if (product > 2 ** 24) {
    throw new ShapeError(
      `exactSlice: expected a product of codes of at most 2^24, received ${maxAbsA}·${maxAbsB}. ` +
        `Operands of an integer product have at most 8 bits.`,
    );
  }
  return product === 0 ? Infinity : Math.floor(2 ** 24 / product);
}
