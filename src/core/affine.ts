/**
 * Quantization arithmetic in plain loops: the definition that every kernel, export and run time is
 * tested against. Every intermediate result is rounded to float32.
 */
import { qtypeOf, SMALLEST_CLIP, type QuantKind, type Rounding } from "./qtype.ts";

/**
 * The grid of one clip: value = fround(code · scale) for integer codes in [qmin, qmax].
 * Grids of this file have zero point 0.
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
 * The grid of a kind at a clip.
 *
 * `half_even`: scale = fround(c/(t−1)) (weight, act), fround(c/(2^b−1)) (relu), 2^−b (softmax);
 * range ends fround(qmin·scale), fround(qmax·scale).
 * `half_up`: TensorFlow's scale fround((max−min)/(2^b−1)) with min = −c·t/(t−1) (weight, act) or 0,
 * its zero point nudged to an integer, its nudged range ends.
 *
 * @param clip c, float32; ignored for softmax; below 2^−100 (or negative) counts as zero
 * @see TensorFlow 2.21, tensorflow/core/kernels/fake_quant_ops_functor.h, Nudge
 */
export function gridOf(kind: QuantKind, bits: number, clip: number, rounding: Rounding): Grid {
  const { qmin, qmax } = qtypeOf(kind, bits);
  if (kind !== "softmax" && !(clip >= SMALLEST_CLIP)) {
    return { qmin, qmax, scale: 1, lowest: 0, highest: 0, rounding, isZero: true };
  }
  if (rounding === "half_up") return nudgedGrid(kind, bits, clip);
  const scale = kind === "softmax" ? 2 ** -bits : Math.fround(Math.fround(clip) / qmax);
  return {
    qmin,
    qmax,
    scale,
    lowest: Math.fround(qmin * scale),
    highest: Math.fround(qmax * scale),
    rounding,
    isZero: false,
  };
}

/** TensorFlow's nudged grid for the range of a kind; codes are shifted so that zero is code 0. */
function nudgedGrid(kind: QuantKind, bits: number, clip: number): Grid {
  const f = Math.fround;
  const { qmin, qmax } = qtypeOf(kind, bits);
  const steps = 2 ** bits - 1;
  const half = 2 ** (bits - 1);
  const max = kind === "softmax" ? f(steps / 2 ** bits) : f(clip);
  const min = qmin === 0 ? 0 : f(-f(f(max * half) / (half - 1)));
  const scale = f(f(max - min) / steps);
  const zeroFromMin = f(0 - f(min / scale));
  const nudgedZero = zeroFromMin <= 0 ? 0 : zeroFromMin >= steps ? steps : roundHalfAway(zeroFromMin);
  return {
    qmin,
    qmax,
    scale,
    lowest: f((0 - nudgedZero) * scale),
    highest: f((steps - nudgedZero) * scale),
    rounding: "half_up",
    isZero: false,
  };
}

/** Nearest integer, ties to the even one: IEEE 754 roundToIntegralTiesToEven. */
export function roundHalfEven(v: number): number {
  const floor = Math.floor(v);
  const rest = v - floor;
  if (rest < 0.5) return floor;
  if (rest > 0.5) return floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}

/** Nearest integer, ties away from zero: C's round. */
function roundHalfAway(v: number): number {
  return Math.sign(v) * Math.floor(Math.abs(v) + 0.5);
}

/**
 * The code of one value: clamp(rhe(fround(x/scale)), qmin, qmax), or TensorFlow's floor(… + ½) on
 * the nudged grid. ±Infinity saturates; NaN stays NaN.
 */
export function codeOf(x: number, grid: Grid): number {
  if (grid.isZero) return Number.isNaN(x) ? NaN : 0;
  const { scale, qmin, qmax } = grid;
  if (grid.rounding === "half_even") {
    const q = roundHalfEven(Math.fround(x / scale));
    return q < qmin ? qmin : q > qmax ? qmax : q;
  }
  const f = Math.fround;
  const clamped = x < grid.lowest ? grid.lowest : x > grid.highest ? grid.highest : x;
  // TensorFlow counts codes from `lowest`; z is the code of zero, so that the result is signed.
  const z = Math.floor(f(f(-grid.lowest / scale) + 0.5));
  return Math.floor(f(f(f(f(clamped - grid.lowest) / scale) - z) + 0.5));
}

/** The value of a code: fround(code · scale). */
export function valueOf(code: number, grid: Grid): number {
  return Math.fround(code * grid.scale);
}
