/** The parts of a sequence. */
import * as tf from "@tensorflow/tfjs";

/**
 * x[t] for each time. As tf.unstack, whose gradient fails where there is one part alone.
 * @param x [time, batch, width], time ≥ 1
 * @returns [batch, width] each, differentiable; the caller disposes them
 */
export function timeSteps(x: tf.Tensor3D): tf.Tensor2D[] {
  const [time, batch, width] = x.shape;
  if (time === 1) return [tf.reshape(x, [batch, width])];
  return tf.unstack(x) as tf.Tensor2D[];
}
