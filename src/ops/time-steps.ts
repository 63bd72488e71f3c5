/** Sequences step by step. */
import * as tf from "@tensorflow/tfjs";

/**
 * x at each time: tf.unstack along the first axis, whose own gradient fails on a single step.
 * @param x [time, batch, width]
 * @returns [batch, width] each, differentiable; the caller disposes them
 */
export function timeSteps(x: tf.Tensor3D): tf.Tensor2D[] {
  if (x.shape[0] === 1) return [tf.squeeze<tf.Tensor2D>(x, [0])];
  return tf.unstack(x) as tf.Tensor2D[];
}
