/** The best next tokens of each hypothesis, straight from logits. */
import * as tf from "@tensorflow/tfjs";
import {
  makeRowCandidates,
  type RowScoring,
  topCandidates as topOfArrays,
} from "../core/top-candidates.ts";
import { hasKernel, runKernel } from "./kernel.ts";
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

/** {@link RowScoring} whose figures are tensors, so that a captured step can be given others. */
export interface RowScoringTensors extends Pick<RowScoring, "maskedA" | "maskedB"> {
  /** float32 [rows]. */
  readonly accumulated: tf.Tensor1D;
  /** float32 scalar. */
  readonly factor: tf.Scalar;
}

/** {@link topCandidates} of figures that are tensors; where the backend is not native it reads them. */
export function topCandidatesOf(
  logits: tf.Tensor2D,
  { accumulated, factor, maskedA, maskedB }: RowScoringTensors,
  size: number,
): tf.Tensor[] {
  const name = "QatTopCandidates";
  if (tf.getBackend() === "tensorflow" && hasKernel(name)) {
    const inputs = { logits, accumulated, factor };
    return runKernel(name, inputs, { size, maskedA, maskedB }, () => []);
  }
  const figures = { accumulated: accumulated.dataSync<"float32">(), factor: factor.dataSync()[0]! };
  return topCandidates(logits, { ...figures, maskedA, maskedB }, size);
}
