/** What statistics ask of a tensor: ranges of its samples, and how often each value occurs. */
import * as tf from "@tensorflow/tfjs";
import type { HistogramSpec } from "../core/observe.ts";
import { runKernel } from "./kernel.ts";

/** How a tensor's values lie; see `core/observe.ts`. */
export interface ObservedLayout {
  readonly samples: number;
  /** float32 [rows], 0 on padding, `samples` a divisor of the rows; null: all real. */
  readonly mask: tf.Tensor1D | null;
}

/**
 * The ends of the real values, the sums over samples of each one's ends, the mean and the squares around
 * it, as `core/observe.ts` defines them. Kernels sum in float64, the composition in float32. Not
 * differentiable.
 *
 * @param x float32, any shape, not empty
 * @returns float32 [SAMPLE_RANGES_SIZE]: minimum, maximum, then two sums, the mean and the squares
 *   in two parts each; the caller disposes it
 */
export function sampleRanges(x: tf.Tensor, { samples, mask }: ObservedLayout): tf.Tensor1D {
  const inputs: Record<string, tf.Tensor> = mask === null ? { x } : { x, mask };
  return runKernel("QatSampleRanges", inputs, { samples }, () => {
    const rows = mask?.size ?? samples;
    const values = tf.reshape(x, [samples, rows / samples, x.size / rows]);
    const isRealRow =
      mask === null
        ? tf.ones<tf.Rank.R3>([samples, rows / samples, 1], "bool")
        : tf.greater(tf.reshape(mask, [samples, rows / samples, 1]), 0);
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
    const zero = tf.scalar(0);
    const mean = tf.div(tf.sum(real), count);
    const distance = tf.where(isReal, tf.sub(values, mean), tf.zerosLike(values));
    const sums = [sum(minima), sum(maxima), mean, tf.sum(tf.square(distance))];
    return [tf.stack([...ends, ...sums.flatMap((of) => [of, zero])])];
  })[0] as tf.Tensor1D;
}

/**
 * How often each real value occurs; see `core/observe.ts`. Not differentiable.
 *
 * @param x float32, any shape, not empty, finite where real
 * @param mask float32 [rows], 0 on padding; null: all real
 * @returns int32 [cells]; the caller disposes it
 */
export function valueHistogram(
  x: tf.Tensor,
  mask: tf.Tensor1D | null,
  { width, begin, cells }: HistogramSpec,
): tf.Tensor1D {
  const inputs: Record<string, tf.Tensor> = mask === null ? { x } : { x, mask };
  return runKernel("QatValueHistogram", inputs, { width, begin, cells }, () => {
    const rows = mask?.size ?? 1;
    const values = tf.reshape(x, [rows, x.size / rows]);
    const quotient = width === 0 ? tf.zerosLike(values) : tf.floor(tf.mul(values, 1 / width));
    const cell = tf.clipByValue(tf.sub(quotient, begin), 0, cells - 1);
    if (mask === null) return [countOf(cell, cells)];
    const isReal = tf.broadcastTo(tf.greater(tf.reshape(mask, [rows, 1]), 0), values.shape);
    // One more cell takes the padding.
    const placed = tf.where(isReal, cell, tf.fill(values.shape, cells));
    return [tf.slice(countOf(placed, cells + 1), 0, cells)];
  })[0] as tf.Tensor1D;
}

function countOf(cell: tf.Tensor, cells: number): tf.Tensor1D {
  const flat: tf.Tensor1D = tf.reshape(tf.cast(cell, "int32"), [cell.size]);
  return tf.bincount(flat, tf.tensor1d([], "int32"), cells);
}
