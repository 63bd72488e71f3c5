/** One step of the Adam optimizer for one variable. */
import * as tf from "@tensorflow/tfjs";
import { runKernel } from "./kernel.ts";

/** What one step needs; the tensors have one shape and stay as they are. */
export interface AdamStep {
  readonly value: tf.Tensor;
  readonly gradient: tf.Tensor;
  /** First moment; zeros before the first step. */
  readonly m: tf.Tensor;
  /** Second moment; zeros before the first step. */
  readonly v: tf.Tensor;
  /** float32 scalar: the learning rate times the correction of this step; see {@link adamRate}. */
  readonly rate: tf.Tensor;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
}

/** New tensors; the caller disposes them and the old ones. */
export interface AdamState {
  readonly value: tf.Tensor;
  readonly m: tf.Tensor;
  readonly v: tf.Tensor;
}

/**
 * The rate of one step: α = rate·√(1 − β2^step)/(1 − β1^step).
 * @param step number of the step, from 1
 */
export function adamRate(
  learningRate: number,
  { beta1, beta2 }: { readonly beta1: number; readonly beta2: number },
  step: number,
): number {
  return learningRate * (Math.sqrt(1 - power(beta2, step)) / (1 - power(beta1, step)));
}

/**
 * m' = m + (g − m)(1 − β1); v' = v + (g² − v)(1 − β2); value' = value − α·m'/(√v' + ε) with the
 * rate α of {@link adamRate}: Keras' form, ε outside the root and not corrected.
 *
 * @see TensorFlow 2.21, tensorflow/core/kernels/training_ops.cc, ApplyAdam
 */
export function adamUpdate(update: AdamStep): AdamState {
  const { value, gradient, m, v, rate, beta1, beta2, epsilon } = update;
  const attributes = { beta1, beta2, epsilon };
  const outputs = runKernel("QatAdam", { value, gradient, m, v, rate }, attributes, () => {
    const newM = tf.add(m, tf.mul(tf.sub(gradient, m), 1 - beta1));
    const newV = tf.add(v, tf.mul(tf.sub(tf.square(gradient), v), 1 - beta2));
    const change = tf.div(tf.mul(newM, rate), tf.add(tf.sqrt(newV), epsilon));
    return [tf.sub(value, change), newM, newV];
  });
  return { value: outputs[0]!, m: outputs[1]!, v: outputs[2]! };
}

/** base^exponent by squaring, in float64: unlike the engine's own, the same on every engine. */
function power(base: number, exponent: number): number {
  let result = 1;
  let square = base;
  for (let rest = exponent; rest > 0; rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) result *= square;
    square *= square;
  }
  return result;
}
