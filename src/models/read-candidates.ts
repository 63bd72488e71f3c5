/** Candidates of scorers as arrays. */
import type * as tf from "@tensorflow/tfjs";
import type { RowCandidates } from "../core/top-candidates.ts";

/**
 * Candidates of the first rows as arrays.
 * @param results tokens, log-probabilities and scores, `rows` or more rows of each
 */
export function readCandidates(results: readonly tf.Tensor[], rows: number): RowCandidates {
  const [tokens, logProbs, scores] = results;
  const used = rows * tokens!.shape[1]!;
  return {
    tokens: Int32Array.from(tokens!.dataSync().subarray(0, used)),
    logProbs: Float32Array.from(logProbs!.dataSync().subarray(0, used)),
    scores: Float32Array.from(scores!.dataSync().subarray(0, used)),
  };
}
