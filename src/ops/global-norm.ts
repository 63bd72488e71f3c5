/** The Euclidean length of several tensors taken as one vector. */
import * as tf from "@tensorflow/tfjs";
import { runKernel } from "./kernel.ts";

/**
 * √(Σ over tensors and elements of x²). Not differentiable.
 *
 * @param tensors float32, any shapes
 * @returns float32 scalar; the caller disposes it
 */
export function globalNorm(tensors: readonly tf.Tensor[]): tf.Scalar {
  return tf.tidy(() => {
    if (tensors.length === 0) return tf.scalar(0);
    const squares = tensors.map(
      (x) => runKernel("QatSquareSum", { x }, {}, () => [tf.sum(tf.square(x))])[0]!,
    );
    return tf.sqrt(tf.sum<tf.Scalar>(tf.stack(squares)));
  });
}
