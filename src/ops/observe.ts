/** What calibration sees of a tensor: its range, and how often each magnitude occurs. */
import * as tf from "@tensorflow/tfjs";
import { runKernel } from "./kernel.ts";

/**
 * Smallest and largest value. Both are NaN where there is one; ∞ and −∞ for an empty tensor. Not
 * differentiable.
 *
 * @param x float32, any shape
 * @returns float32 [2]; the caller disposes it
 */
export function valueRange(x: tf.Tensor): tf.Tensor1D {
  return runKernel("QatValueRange", { x }, {}, () => {
    // Adding x·0 brings back the NaN that minimum and maximum lose on some backends.
    const nan = tf.sum(tf.mul(x, 0));
    return [tf.add(tf.stack([tf.min(x), tf.max(x)]), nan)];
  })[0] as tf.Tensor1D;
}

/** The cells of {@link magnitudeHistogram}. */
export interface MagnitudeCells {
  readonly cells: number;
  /** Width of a cell, a float64; 0 puts every value into the first. */
  readonly width: number;
  /** True counts negative values as 0, false their absolute value. */
  readonly positive: boolean;
}

/**
 * Number of values in each cell: value v is in cell ⌊|v|/width⌋, the last cell takes the rest. The
 * quotient is a float64 in kernels, a float32 in the composition. Not differentiable.
 *
 * @param x float32, any shape, finite
 * @returns int32 [cells]; the caller disposes it
 */
export function magnitudeHistogram(x: tf.Tensor, spec: MagnitudeCells): tf.Tensor1D {
  const { cells, width, positive } = spec;
  return runKernel("QatMagnitudeHistogram", { x }, { cells, width, positive }, () => {
    const magnitude = positive ? tf.relu(x) : tf.abs(x);
    const quotient = width === 0 ? tf.zerosLike(magnitude) : tf.div(magnitude, width);
    const cell = tf.cast(tf.clipByValue(tf.floor(quotient), 0, cells - 1), "int32");
    const flat: tf.Tensor1D = tf.reshape(cell, [x.size]);
    return [tf.bincount(flat, tf.tensor1d([], "int32"), cells)];
  })[0] as tf.Tensor1D;
}
