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
 * Smallest and largest real value of each sample and the mean of all real values, as
 * `core/observe.ts` defines them. Kernels sum in float64, the composition in float32. Not
 * differentiable.
 *
 * @param x float32, any shape, not empty
 * @returns float32 [2·samples + 2]: minima, maxima, the mean in two parts; the caller disposes it
 */
export function sampleRanges(x: tf.Tensor, { samples, mask }: ObservedLayout): tf.Tensor1D {
  const inputs: Record<string, tf.Tensor> = mask === null ? { x } : { x, mask };
  return runKernel("QatSampleRanges", inputs, { samples }, () => {
    const rows = mask?.size ?? samples;
    const values = tf.reshape(x, [samples, rows / samples, x.size / rows]);
    const isReal =
      mask === null
        ? tf.onesLike(values).toBool()
        : tf.broadcastTo(
            tf.greater(tf.reshape(mask, [samples, rows / samples, 1]), 0),
            values.shape,
          );
    const real = tf.where(isReal, values, tf.zerosLike(values));
    const end = (infinity: number): tf.Tensor => tf.fill(values.shape, infinity);
    // Adding x·0 brings back the NaN that minimum and maximum lose on some backends.
    const nan = tf.sum(tf.mul(real, 0), [1, 2]);
    const minima = tf.add(tf.min(tf.where(isReal, values, end(Infinity)), [1, 2]), nan);
    const maxima = tf.add(tf.max(tf.where(isReal, values, end(-Infinity)), [1, 2]), nan);
    const count = tf.maximum(tf.sum(tf.cast(isReal, "float32")), 1);
    const mean = tf.reshape<tf.Rank.R1>(tf.div(tf.sum(real), count), [1]);
    return [tf.concat1d([minima as tf.Tensor1D, maxima as tf.Tensor1D, mean, tf.zeros([1])])];
  })[0] as tf.Tensor1D;
}

/**
 * How often each real value occurs, and the sum of squares around a centre; see `core/observe.ts`.
 * Kernels sum in float64, the composition in float32. Not differentiable.
 *
 * @param x float32, any shape, not empty, finite where real
 * @param mask float32 [rows], 0 on padding; null: all real
 * @returns counts int32 [cells], squares float32 [2]; the caller disposes them
 */
export function valueHistogram(
  x: tf.Tensor,
  mask: tf.Tensor1D | null,
  { cells, width, center }: HistogramSpec,
): { counts: tf.Tensor1D; squares: tf.Tensor1D } {
  const inputs: Record<string, tf.Tensor> = mask === null ? { x } : { x, mask };
  const [counts, squares] = runKernel("QatValueHistogram", inputs, { cells, width, center }, () => {
    const rows = mask?.size ?? 1;
    const values = tf.reshape(x, [rows, x.size / rows]);
    const quotient = width === 0 ? tf.zerosLike(values) : tf.mul(values, 1 / width);
    const cell = tf.clipByValue(tf.add(tf.floor(quotient), cells / 2), 0, cells - 1);
    const distance = tf.square(tf.sub(values, center));
    if (mask === null) return [countOf(cell, cells), parts(tf.sum(distance))];
    const isReal = tf.broadcastTo(tf.greater(tf.reshape(mask, [rows, 1]), 0), values.shape);
    // One more cell takes the padding.
    const placed = tf.where(isReal, cell, tf.fill(values.shape, cells));
    const real = tf.where(isReal, distance, tf.zerosLike(distance));
    return [tf.slice(countOf(placed, cells + 1), 0, cells), parts(tf.sum(real))];
  }) as [tf.Tensor1D, tf.Tensor1D];
  return { counts, squares };
}

function countOf(cell: tf.Tensor, cells: number): tf.Tensor1D {
  const flat: tf.Tensor1D = tf.reshape(tf.cast(cell, "int32"), [cell.size]);
  return tf.bincount(flat, tf.tensor1d([], "int32"), cells);
}

function parts(sum: tf.Tensor): tf.Tensor1D {
  return tf.concat1d([tf.reshape<tf.Rank.R1>(sum, [1]), tf.zeros([1])]);
}
