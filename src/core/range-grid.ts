/**
 * The grid of a range that was observed, not learnt. Codes are centred: the integer that would be
 * stored, less its zero point, so that value = fround(code · scale) as on every other grid.
 */
import { type Grid, roundHalfEven } from "./affine.ts";
import { ConfigError } from "../errors.ts";
import { qtypeOf, type QuantKind, type QuantMode, SMALLEST_CLIP } from "./qtype.ts";

/** A grid whose stored codes lie from qmin + zeroPoint to qmax + zeroPoint. */
export interface RangeGrid extends Grid {
  /** The stored code of zero, an integer. */
  readonly zeroPoint: number;
}

/** How a range becomes a grid. */
export interface RangeSpec {
  readonly kind: QuantKind;
  /** 2 to 16. */
  readonly bits: number;
  readonly mode: QuantMode;
  /** Whose symmetric scales; both of Distiller's treat relu and softmax like every other kind. */
  readonly compat: "none" | "distiller-2019" | "distiller-2020";
  /** Bits of the integer that stands for 1/scale, or null for any float32. */
  readonly scaleApproxMultBits: number | null;
}

/** A range of values, both ends included; real units, float32. */
export interface ValueRange {
  readonly lo: number;
  readonly hi: number;
}

/** The largest float32 below 1: a product with it is the float32 below. */
export const BELOW_ONE = 1 - 2 ** -24;

/**
 * The grid of a range, with b bits, t = 2^(b−1) and c = max(|lo|, |hi|):
 *
 * | mode                 | stored codes   | scale                                     |
 * |----------------------|----------------|-------------------------------------------|
 * | symmetric            | −t … t−1       | c/(t−1); distiller-2020: c/((2^b−1)/2)    |
 * | symmetric_restricted | −(t−1) … t−1   | c/(t−1)                                   |
 * | asymmetric_signed    | −t … t−1       | (hi−lo)/(2^b−1), range widened to hold 0  |
 * | asymmetric_unsigned  | 0 … 2^b−1      | the same                                  |
 *
 * Distiller's multiplication gives −c the code −t, a tie at its steps of c/(t−½): that scale is the
 * float32 below where fround(c/scale) would fall short of t−½. Zero point of the asymmetric modes: clamp(rhe(qmin − fround(lo/scale))), as in ONNX
 * QuantizeLinear. Under compat none, relu in mode symmetric has codes 0 … 2^b−1 and scale
 * hi/(2^b−1), and softmax the constant scale 2^−b, whatever the mode. An empty range has scale 1.
 * With scaleApproxMultBits the scale is the reciprocal of {@link approximateScale}; the zero point
 * is that of the exact scale.
 *
 * @param range finite, lo ≤ hi
 * @throws {ConfigError} if a bound is not finite, lo > hi, or bits is out of range
 * @see IntelLabs/distiller, quantization/q_utils.py
 */
export function rangeGrid(spec: RangeSpec, range: ValueRange): RangeGrid {
  const { bits, mode, compat } = spec;
  checkRange(range);
  const { qmin, qmax } = qtypeOf("act", bits);
  const levels = qmax - qmin;
  if (compat === "none" && spec.kind === "softmax") {
    return gridOfZeroPoint({ qmin: 0, qmax: levels }, 2 ** -bits, 0);
  }
  const f = Math.fround;
  if (mode === "asymmetric_signed" || mode === "asymmetric_unsigned") {
    const lo = Math.min(f(range.lo), 0);
    const width = f(Math.max(f(range.hi), 0) - lo);
    const codes = mode === "asymmetric_signed" ? { qmin, qmax } : { qmin: 0, qmax: levels };
    const exact = scaleOf(width, levels, null);
    const zero = roundHalfEven(f(codes.qmin - f(lo / exact)));
    const zeroPoint = Math.min(Math.max(zero, codes.qmin), codes.qmax);
    return gridOfZeroPoint(codes, scaleOf(width, levels, spec.scaleApproxMultBits), zeroPoint);
  }
  const scale = (end: number, steps: number): number =>
    scaleOf(f(end), steps, spec.scaleApproxMultBits);
  if (mode === "symmetric" && compat === "none" && spec.kind === "relu") {
    return gridOfZeroPoint({ qmin: 0, qmax: levels }, scale(Math.max(range.hi, 0), levels), 0);
  }
  const largest = Math.max(Math.abs(range.lo), Math.abs(range.hi));
  const halved = mode === "symmetric" && compat === "distiller-2020";
  const lowest = mode === "symmetric" ? qmin : -qmax;
  const step = scale(largest, halved ? levels / 2 : qmax);
  const fallsShort = halved && largest >= SMALLEST_CLIP && f(f(largest) / step) < levels / 2;
  const takesBelow = fallsShort && spec.scaleApproxMultBits === null;
  return gridOfZeroPoint({ qmin: lowest, qmax }, takesBelow ? f(step * BELOW_ONE) : step, 0);
}

/**
 * A scale factor as an integer of some bits and a shift: floor(S·2^shift)/2^shift with
 * shift = floor(log2((2^m−1)/S)).
 * @param factor S, positive: codes in one real unit
 * @param bits m, 1 to 31
 * @see IntelLabs/distiller, quantization/q_utils.py, approx_scale_as_mult_and_shift
 */
export function approximateScale(factor: number, bits: number): number {
  const room = (2 ** bits - 1) / factor;
  // log2 may be off by an ulp next to whole numbers; powers of two compare exactly.
  let power = 2 ** Math.floor(Math.log2(room));
  if (power > room) power /= 2;
  else if (power * 2 <= room) power *= 2;
  return Math.floor(factor * power) / power;
}

/** width/steps, or the reciprocal of the approximation of steps/width; 1 where width vanishes. */
function scaleOf(width: number, steps: number, multBits: number | null): number {
  const f = Math.fround;
  const exact = width < SMALLEST_CLIP ? 1 : f(width / steps);
  const scale = exact > 0 && exact < Infinity ? exact : 1;
  if (multBits === null) return scale;
  return f(1 / approximateScale(scale === exact && width > 0 ? f(steps / width) : 1, multBits));
}

/**
 * The grid of a scale and a zero point.
 * @param stored smallest and largest stored code
 * @param scale positive float32
 * @param zeroPoint one of the stored codes
 */
export function gridOfZeroPoint(
  stored: { readonly qmin: number; readonly qmax: number },
  scale: number,
  zeroPoint: number,
): RangeGrid {
  const qmin = stored.qmin - zeroPoint;
  const qmax = stored.qmax - zeroPoint;
  return {
    ...{ qmin, qmax, scale, zeroPoint, rounding: "half_even", isZero: false },
    lowest: qmin === 0 ? 0 : Math.fround(qmin * scale),
    highest: qmax === 0 ? 0 : Math.fround(qmax * scale),
  };
}

function checkRange({ lo, hi }: ValueRange): void {
  if (Number.isFinite(lo) && Number.isFinite(hi) && lo <= hi) return;
  throw new ConfigError(
    `observed range: expected finite lo ≤ hi, received ${lo} to ${hi}. ` +
      `Check the calibration data for NaN and infinity.`,
  );
}
