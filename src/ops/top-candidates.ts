/** The best next tokens of each hypothesis, straight from logits. */
import * as tf from "@tensorflow/tfjs";
import {
  makeRowCandidates,
  type RowScoring,
  topCandidates as topOfArrays,
} from "../core/top-candidates.ts";
import { runKernel } from "./kernel.ts";
import { logSoftmax } from "./log-softmax.ts";

/**
 * The `size` best tokens of each row of log-softmax(logits), by the rules of core/top-candidates.ts. For
 * evaluation: not differentiable.
 *
 * @param logits float32 [rows, classes]
 * @returns tokens int32, log-probabilities of the hypotheses and scores float32, [rows, size] each;
 *   the caller disposes them
 */
export function topCandidates(
  logits: tf.Tensor2D,
  { accumulated, factor, maskedA, maskedB }: RowScoring,
  size: number,
): [tokens: tf.Tensor2D, logProbs: tf.Tensor2D, scores: tf.Tensor2D] {
  const sums = tf.tensor1d(accumulated);
  try {
    const attributes = { size, factor, maskedA, maskedB };
    return runKernel("QatTopCandidates", { logits, accumulated: sums }, attributes, () => {
      const rows = logits.shape[0];
      const best = makeRowCandidates(rows, size);
      const logProbs = logSoftmax(logits).dataSync() as Float32Array;
      topOfArrays(logProbs, { accumulated, factor, maskedA, maskedB }, best);
      return [
        tf.tensor2d(best.tokens, [rows, size], "int32"),
        tf.tensor2d(best.logProbs, [rows, size]),
        tf.tensor2d(best.scores, [rows, size]),
      ];
    }) as [tf.Tensor2D, tf.Tensor2D, tf.Tensor2D];
  } finally {
    sums.dispose();
  }
}
