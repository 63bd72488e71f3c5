/** Log-probabilities of a distribution given by logits. */
import * as tf from "@tensorflow/tfjs";
import { runKernel } from "./kernel.ts";

/**
 * y = x − max − ln Σ exp(x − max) over each row. For evaluation: not differentiable.
 *
 * @param logits float32 [rows, classes]
 * @returns float32 [rows, classes]; the caller disposes it
 */
export function logSoftmax(logits: tf.Tensor2D): tf.Tensor2D {
  return runKernel("QatLogSoftmax", { logits }, {}, () => [
    tf.logSoftmax(logits),
  ])[0] as tf.Tensor2D;
}
