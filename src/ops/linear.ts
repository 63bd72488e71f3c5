/** The linear map of dense layers. */
import * as tf from "@tensorflow/tfjs";
import { runKernel, withGradient } from "./kernel.ts";

/**
 * y = x·kernel + bias.
 *
 * @param x float32 [rows, inputs]
 * @param kernel float32 [inputs, outputs]
 * @param bias float32 [outputs], or null for none
 * @returns float32 [rows, outputs]; the caller disposes it
 */
export function linear(x: tf.Tensor2D, kernel: tf.Tensor2D, bias: tf.Tensor1D | null): tf.Tensor2D {
  if (bias === null) return tf.matMul(x, kernel);
  return tf.tidy(() => addBias(tf.matMul(x, kernel), bias));
}

/**
 * y = x + bias for every row. Gradient: dx = dy, dbias = Σ over rows of dy.
 *
 * @param x float32 [rows, n]
 * @param bias float32 [n]
 * @returns float32 [rows, n]; the caller disposes it
 */
export function addBias(x: tf.Tensor2D, bias: tf.Tensor1D): tf.Tensor2D {
  return withGradient(
    [x, bias],
    () => tf.add(x, bias),
    (dy) => [tf.clone(dy), columnSum(dy as tf.Tensor2D)],
  ) as tf.Tensor2D;
}

/** Σ over rows of x [rows, n]: [n]. Not differentiable. */
export function columnSum(x: tf.Tensor2D): tf.Tensor1D {
  return runKernel("QatColumnSum", { x }, {}, () => [tf.sum(x, 0)])[0] as tf.Tensor1D;
}
