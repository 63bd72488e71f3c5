/**
 * Quantization arithmetic of one value: the definition that every kernel, export and run time is
 * tested against. Every intermediate result is rounded to float32. Whole arrays: `quantize.ts`.
 */
import { qtypeOf, SMALLEST_CLIP, type QuantKind, type Rounding } from "./qtype.ts";

/**
 * The grid of one clip: value = fround(code · scale) for integer codes in [qmin, qmax].
 * The zero point is 0, so zero is always exact.
 */
export interface Grid {
  readonly qmin: number;
  readonly qmax: number;
  /** Real size of one integer step, float32; 1 where the clip counts as zero. */
  readonly scale: number;
  /** Smallest input that is in range, float32; the gradient passes from here … */
  readonly lowest: number;
  /** … to here, both included. */
  readonly highest: number;
  readonly rounding: Rounding;
  /** True where the clip counts as zero: every code is 0. */
  readonly isZero: boolean;
}

/**
 * The grid of a kind at a clip, with range ends fround(qmin·scale) and fround(qmax·scale).
 *
 * `half_even`: scale = fround(c/qmax), that is c/(t−1) (weight, act) or c/(2^b−1) (relu); 2^−b for
 * softmax.
 * `half_up`: TensorFlow's scale fround((max−min)/(2^b−1)) with max = c and min = −c·t/(t−1)
 * (weight, act) or 0. Its nudged zero point is always −qmin for these ranges (min/scale is within a
 * few float32 roundings of the integer qmin), so only the scale differs, by an ulp or two.
 *
 * @param clip c, float32; ignored for softmax; below 2^−100 (or negative) counts as zero; NaN gives
 *   a NaN scale, so that every value becomes NaN and training notices
 * @throws {ConfigError} if bits is not an integer from 2 to 16
 * @see TensorFlow 2.21, tensorflow/core/kernels/fake_quant_ops_functor.h, Nudge
 */
export function gridOf(kind: QuantKind, bits: number, clip: number, rounding: Rounding): Grid {
  const { qmin, qmax } = qtypeOf(kind, bits);
  if (kind !== "softmax" && clip < SMALLEST_CLIP) {
    return { qmin, qmax, scale: 1, lowest: 0, highest: 0, rounding, isZero: true };
  }
  const scale = kind === "softmax" ? 2 ** -bits : scaleOf(Math.fround(clip), qmin, qmax, rounding);
  const lowest = qmin === 0 ? 0 : Math.fround(qmin * scale);
  const highest = Math.fround(qmax * scale);
  return { qmin, qmax, scale, lowest, highest, rounding, isZero: false };
}

/** One integer step for the range that a clip spans. */
function scaleOf(clip: number, qmin: number, qmax: number, rounding: Rounding): number {
  const f = Math.fround;
  if (rounding === "half_even") return f(clip / qmax);
  const min = qmin === 0 ? 0 : f(f(clip * qmin) / qmax);
  return f(f(clip - min) / (qmax - qmin));
}

/**
 * Nearest integer, ties to the even one: IEEE 754 roundToIntegralTiesToEven, except that the result
 * is never −0. NaN and ±Infinity stay as they are.
 * @param v float32, or a float64 of magnitude below 2^51
 */
export function roundHalfEven(v: number): number {
  // Near 1.5·2^52 one float64 ulp is 1, so the addition itself rounds to an integer, ties to even.
  return v + HALF_EVEN_SHIFT - HALF_EVEN_SHIFT;
}

/** 1.5·2^52: adding and subtracting it rounds a float64 to the nearest integer, ties to even. */
export const HALF_EVEN_SHIFT = 1.5 * 2 ** 52;

/**
 * The code of one value: clamp(rhe(fround(x/scale)), qmin, qmax); in `half_up` TensorFlow's
 * floor(fround(fround(fround(fround(clamp(x) − lowest)/scale) + qmin) + ½)).
 * ±Infinity saturates; NaN stays NaN. Never −0.
 */
export function codeOf(x: number, grid: Grid): number {
  if (grid.isZero) return Number.isNaN(x) ? NaN : 0;
  const f = Math.fround;
  const { scale, qmin, qmax, lowest, highest } = grid;
  if (grid.rounding === "half_even") {
    const q = roundHalfEven(f(x / scale));
    return q < qmin ? qmin : q > qmax ? qmax : q;
  }
  const clamped = x < lowest ? lowest : x > highest ? highest : x;
  return Math.floor(f(f(f(f(clamped - lowest) / scale) + qmin) + 0.5));
}

/** The value of a code: fround(code · scale). */
export function valueOf(code: number, grid: Grid): number {
  return Math.fround(code * grid.scale);
}

/** x on its grid: the value of its code; x itself where there is none. */
export function onGrid(x: number, grid: Grid | null): number {
  return grid === null ? x : valueOf(codeOf(x, grid), grid);
}
