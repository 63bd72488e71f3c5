/**
 * The asymmetric grid of observed ranges (post-training and dynamic quantization): a scale and an
 * integer zero point, as in ONNX QuantizeLinear. Every step is rounded to float32.
 */
import { roundHalfEven } from "./affine.ts";
import { ConfigError } from "../errors.ts";

/** value = fround((code − zeroPoint) · scale) for integer codes in [qmin, qmax]. */
export interface AsymmetricGrid {
  readonly qmin: number;
  readonly qmax: number;
  /** Real size of one integer step, float32. */
  readonly scale: number;
  /** The code of zero, an integer in [qmin, qmax]. */
  readonly zeroPoint: number;
}

/**
 * The grid of an observed range, widened to contain zero: scale = fround((hi−lo)/(2^b−1)),
 * zeroPoint = clamp(rhe(qmin − fround(lo/scale)), qmin, qmax). An empty range (hi = lo = 0, or so
 * narrow that the scale vanishes) has scale 1 and the code of zero nearest to 0.
 *
 * @param range observed smallest and largest value, finite float32
 * @param bits 2 to 16
 * @param signed true: codes −t … t−1, false: 0 … 2^b−1
 * @throws {ConfigError} if a bound is not finite, or lo > hi, or bits is out of range
 */
export function asymmetricGrid(
  range: { readonly lo: number; readonly hi: number },
  bits: number,
  signed: boolean,
): AsymmetricGrid {
  if (!Number.isFinite(range.lo) || !Number.isFinite(range.hi) || range.lo > range.hi) {
    throw new ConfigError(
      `observed range: expected finite lo ≤ hi, received ${range.lo} to ${range.hi}. ` +
        `Check the calibration data for NaN and infinity.`,
    );
  }
  if (!Number.isInteger(bits) || bits < 2 || bits > 16) {
    throw new ConfigError(
      `bits: expected an integer from 2 to 16, received ${bits}. Use 8 unless fewer are wanted.`,
    );
  }
  const f = Math.fround;
  const qmin = signed ? -(2 ** (bits - 1)) : 0;
  const qmax = qmin + 2 ** bits - 1;
  const lo = Math.min(f(range.lo), 0);
  const hi = Math.max(f(range.hi), 0);
  const spanned = f(f(hi - lo) / (qmax - qmin));
  const scale = spanned > 0 && spanned < Infinity ? spanned : 1;
  const zero = roundHalfEven(f(qmin - f(lo / scale)));
  return { qmin, qmax, scale, zeroPoint: Math.min(Math.max(zero, qmin), qmax) };
}

/** The code of one value: clamp(rhe(fround(x/scale)) + zeroPoint, qmin, qmax). NaN stays NaN. */
export function asymmetricCode(x: number, grid: AsymmetricGrid): number {
  const q = roundHalfEven(Math.fround(x / grid.scale)) + grid.zeroPoint;
  return q < grid.qmin ? grid.qmin : q > grid.qmax ? grid.qmax : q;
}

/** The value of a code: fround((code − zeroPoint) · scale). */
export function asymmetricValue(code: number, grid: AsymmetricGrid): number {
  return Math.fround((code - grid.zeroPoint) * grid.scale);
}

/**
 * Codes of a whole array.
 * @param out receives the codes; same length as x
 * @returns out
 */
export function quantizeAsymmetric<T extends Int8Array | Uint8Array | Int32Array | Float32Array>(
  x: Float32Array,
  out: T,
  grid: AsymmetricGrid,
): T {
  for (let i = 0; i < x.length; i++) out[i] = asymmetricCode(x[i]!, grid);
  return out;
}
