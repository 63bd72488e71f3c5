/** The grid of a range that is itself a tensor: `core/range-grid.ts` in operations. */
import * as tf from "@tensorflow/tfjs";
import { SMALLEST_CLIP } from "../core/qtype.ts";
import { BELOW_ONE, rangeGrid, type RangeSpec } from "../core/range-grid.ts";
import type { AffineQuantSpec, ScaleAndZero } from "./affine-quant.ts";

/** Scalar bounds of a tensor's values, float32. */
export interface LiveRange {
  readonly lo: tf.Tensor;
  readonly hi: tf.Tensor;
}

/**
 * The scale and zero point of `rangeGrid(spec, range)`, and the stored codes; with
 * scaleApproxMultBits to the last bit or two. Not differentiable; the caller disposes the tensors.
 */
export function liveGrid(
  spec: RangeSpec,
  { lo, hi }: LiveRange,
): { grid: ScaleAndZero; codes: AffineQuantSpec } {
  const empty = rangeGrid(spec, { lo: 0, hi: 0 });
  const [qmin, qmax] = [empty.qmin + empty.zeroPoint, empty.qmax + empty.zeroPoint];
  const codes = { qmin, qmax, axis: null };
  const isAsymmetric = spec.mode === "asymmetric_signed" || spec.mode === "asymmetric_unsigned";
  const low = tf.minimum(lo, 0);
  const high = tf.maximum(hi, 0);
  if (!isAsymmetric) {
    const reach = qmin === 0 ? high : tf.maximum(tf.neg(low), high);
    const halved = spec.compat === "distiller-2020" && spec.mode === "symmetric";
    const steps = halved ? (qmax - qmin) / 2 : qmax;
    let scale = scaleOf(reach, steps, spec.scaleApproxMultBits);
    if (halved && spec.scaleApproxMultBits === null) {
      const reached = tf.logicalOr(
        tf.greaterEqual(tf.div(reach, scale), steps),
        tf.less(reach, SMALLEST_CLIP),
      );
      scale = tf.where(reached, scale, tf.mul(scale, BELOW_ONE));
    }
    return { grid: { scale, zeroPoint: tf.zerosLike(scale) }, codes };
  }
  const width = tf.sub(high, low);
  const exact = scaleOf(width, qmax - qmin, null);
  const zeroPoint = tf.clipByValue(tf.round(tf.sub(qmin, tf.div(low, exact))), qmin, qmax);
  const scale = scaleOf(width, qmax - qmin, spec.scaleApproxMultBits);
  return { grid: { scale, zeroPoint }, codes };
}

/** width/steps, or what its approximation gives; 1 for no width. No divisor is a constant. */
function scaleOf(width: tf.Tensor, steps: number, multBits: number | null): tf.Tensor {
  const isEmpty = tf.less(width, SMALLEST_CLIP);
  const one = tf.onesLike(width);
  const scale = tf.where(
    isEmpty,
    one,
    tf.div(width, tf.where(isEmpty, one, tf.fill(width.shape, steps))),
  );
  return multBits === null ? scale : approximateScales(scale, multBits);
}

/**
 * Scales whose reciprocals are integers of some bits times a power of two: `approximateScale` of
 * core/range-grid.ts over all elements of a tensor.
 * @param scale float32, positive, any shape; caller disposes the result
 * @param bits 1 to 31
 */
export function approximateScales(scale: tf.Tensor, bits: number): tf.Tensor {
  return tf.tidy(() => {
    const factor = tf.reciprocal(scale);
    const room = tf.div(tf.fill(scale.shape, 2 ** bits - 1), factor);
    // The largest power of two that is not above: logarithms are not exact on every backend.
    let power = tf.fill(scale.shape, 2 ** -126);
    for (let step = 128; step >= 1; step /= 2) {
      const higher =
        step === 128 ? tf.mul(tf.mul(power, 2 ** 64), 2 ** 64) : tf.mul(power, 2 ** step);
      power = tf.where(tf.lessEqual(higher, room), higher, power);
    }
    return tf.div(power, tf.floor(tf.mul(factor, power)));
  });
}
