/** What statistics ask of a tensor: ranges of its samples, moments, and how often each value occurs. */
import * as tf from "@tensorflow/tfjs";
import { LEAST_CELL_EXPONENT } from "../core/histogram.ts";
import { runKernel } from "./kernel.ts";

/** How a tensor's values lie; see `core/observe.ts`. */
export interface ObservedLayout {
  readonly samples: number;
  /** float32 [rows], 0 on padding, `samples` a divisor of the rows; null: all real. */
  readonly mask: tf.Tensor1D | null;
}

/** What {@link observeTensor} returns; the caller disposes both. */
export interface ObservedTensor {
  /** int32 [cells]. */
  readonly counts: tf.Tensor1D;
  /**
   * float32 [OBSERVED_RANGES]: minimum, maximum, then the sums of the samples' minima and of their
   * maxima, the mean and the squares around it in two parts each.
   */
  readonly ranges: tf.Tensor1D;
}

/**
 * Ranges, moments and the histogram of the real values, as `core/observe.ts` defines them, with the
 * narrowest cells that reach the largest magnitude. Kernels sum in float64, the composition in float32.
 * Not differentiable.
 *
 * @param x float32, any shape, not empty
 * @param cells of the histogram, a power of two from 4
 */
export function observeTensor(
  x: tf.Tensor,
  { samples, mask }: ObservedLayout,
  cells: number,
): ObservedTensor {
  const inputs: Record<string, tf.Tensor> = mask === null ? { x } : { x, mask };
  const [counts, ranges] = runKernel("QatObserve", inputs, { samples, cells }, () => {
    const rows = mask?.size ?? samples;
    const values: tf.Tensor3D = tf.reshape(x, [samples, rows / samples, x.size / rows]);
    const isRealRow =
      mask === null
        ? tf.ones<tf.Rank.R3>([samples, rows / samples, 1], "bool")
        : tf.greater(tf.reshape(mask, [samples, rows / samples, 1]), 0);
    const all = rangesOf(values, isRealRow);
    return [countsOf(values, isRealRow, tf.slice(all, 0, 2), cells), all];
  }) as [tf.Tensor1D, tf.Tensor1D];
  return { counts, ranges };
}

function rangesOf(values: tf.Tensor3D, isRealRow: tf.Tensor): tf.Tensor1D {
  const isReal = tf.broadcastTo(isRealRow, values.shape);
  const isRealSample = tf.any(isRealRow, [1, 2]);
  const real = tf.where(isReal, values, tf.zerosLike(values));
  const end = (infinity: number): tf.Tensor => tf.fill(values.shape, infinity);
  const minima = tf.min(tf.where(isReal, values, end(Infinity)), [1, 2]);
  const maxima = tf.max(tf.where(isReal, values, end(-Infinity)), [1, 2]);
  const sum = (of: tf.Tensor): tf.Tensor => tf.sum(tf.where(isRealSample, of, tf.zerosLike(of)));
  const count = tf.maximum(tf.sum(tf.cast(isReal, "float32")), 1);
  // Adding x·0 brings back the NaN that minimum and maximum lose on some backends.
  const nan = tf.sum(tf.mul(real, 0));
  const ends = [tf.min(minima), tf.max(maxima)].map((of) => tf.add(of, nan));
  const mean = tf.div(tf.sum(real), count);
  const distance = tf.where(isReal, tf.sub(values, mean), tf.zerosLike(values));
  const sums = [sum(minima), sum(maxima), mean, tf.sum(tf.square(distance))];
  const zero = tf.scalar(0);
  return tf.stack([...ends, ...sums.flatMap((of) => [of, zero])]) as tf.Tensor1D;
}

/** @param ends float32 [2], smallest and largest value */
function countsOf(
  values: tf.Tensor3D,
  isRealRow: tf.Tensor,
  ends: tf.Tensor,
  cells: number,
): tf.Tensor1D {
  const half = cells / 2;
  const [min, max] = tf.unstack(ends) as [tf.Tensor, tf.Tensor];
  const quotient = tf.mul(values, inverseWidth(tf.maximum(tf.neg(min), max), cells));
  // NaN, which no cast may see, has no cell of its own.
  const known = tf.where(tf.isNaN(quotient), tf.zerosLike(quotient), tf.floor(quotient));
  const cell = tf.clipByValue(tf.add(known, half), 0, cells - 1);
  // One more cell takes the padding.
  const isReal = tf.broadcastTo(isRealRow, values.shape);
  const placed = tf.where(isReal, cell, tf.fill(values.shape, cells));
  const flat: tf.Tensor1D = tf.reshape(tf.cast(placed, "int32"), [values.size]);
  return tf.slice(tf.bincount(flat, tf.tensor1d([], "int32"), cells + 1), 0, cells);
}

/** 1 / `cellWidth`, or 0 for the magnitude 0: looked up among powers of two, exactly. */
function inverseWidth(magnitude: tf.Tensor, cells: number): tf.Tensor {
  const first = LEAST_CELL_EXPONENT + Math.log2(cells / 2);
  // To 2^128, which is an infinity in float32.
  const reaches = Array.from({ length: 129 - first }, (_, i) => 2 ** (first + i));
  const isTooNarrow = tf.cast(tf.less(tf.tensor1d(reaches), magnitude), "int32");
  const inverses = tf.tensor1d(reaches.map((reach) => cells / 2 / reach));
  const inverse = tf.gather(inverses, tf.sum(isTooNarrow));
  return tf.where(tf.greater(magnitude, 0), inverse, tf.zerosLike(inverse));
}
