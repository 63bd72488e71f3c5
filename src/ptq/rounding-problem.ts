/**
 * What rounding a weight is to its product: for each output, one of the two grid values around each
 * element is to be chosen so that the error d = ŵ − w has the least dᵀ·H·d, H = E[x·xᵀ].
 */
import * as tf from "@tensorflow/tfjs";
import type { InputMoments } from "./product-moments.ts";
import type { RoundedWeight } from "./quantized-weights.ts";

/** The choice for one weight, laid out [inputs, outputs]; the caller disposes the tensors. */
export interface RoundingProblem {
  /** Grid value at or below each element; that of the end of the grid beyond it. */
  readonly low: tf.Tensor2D;
  /** Next grid value above `low`; `low` itself where there is none. */
  readonly high: tf.Tensor2D;
  /** low − w. */
  readonly error: tf.Tensor2D;
  /** 1 where rounding to the nearest chooses `high`, else 0. */
  readonly nearest: tf.Tensor2D;
  /** H, [inputs, inputs]. */
  readonly hessian: tf.Tensor2D;
}

/** Moments of a product's inputs with their second moment. */
export type SecondMoments = InputMoments & { readonly second: Float64Array };

/**
 * The problem of a weight.
 * @param original w, of the weight's shape
 */
export function roundingProblem(
  { quantizer }: RoundedWeight,
  original: tf.Tensor,
  { inputs, transposed, second }: SecondMoments,
): RoundingProblem {
  return tf.tidy(() => {
    const nearest = quantizer.apply(original);
    const step = alongAxis(quantizer.scale(), quantizer.axis, original.rank);
    const goesUp = tf.less(nearest, original);
    // Grid values are found by rounding, so that any kind of grid will do and its ends hold.
    const other = quantizer.apply(tf.where(goesUp, tf.add(nearest, step), tf.sub(nearest, step)));
    const low = tf.minimum(nearest, other);
    const high = tf.maximum(nearest, other);
    const isHigh = tf.cast(
      tf.logicalAnd(tf.greater(high, low), tf.equal(nearest, high)),
      "float32",
    );
    const layOut = (x: tf.Tensor): tf.Tensor2D =>
      transposed
        ? tf.transpose(tf.reshape<tf.Rank.R2>(x, [-1, inputs]))
        : tf.reshape(x, [inputs, -1]);
    return {
      low: layOut(low),
      high: layOut(high),
      error: layOut(tf.sub(low, original)),
      nearest: layOut(isHigh),
      hessian: tf.tensor2d(Float32Array.from(second), [inputs, inputs]),
    };
  });
}

function alongAxis(scale: tf.Tensor, axis: number | null, rank: number): tf.Tensor {
  if (axis === null || scale.rank === 0) return scale;
  const shape = new Array<number>(rank).fill(1);
  shape[axis] = scale.size;
  return tf.reshape(scale, shape);
}
