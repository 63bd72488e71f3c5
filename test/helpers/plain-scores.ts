/** Scores of additive attention in float64 as their formula says. */
import type { Quantizer } from "./straight-through.ts";

export interface PlainScoresInputs {
  readonly queries: Float64Array;
  readonly keys: Float64Array;
  readonly bias: Float64Array;
  readonly weights: Float64Array;
  /** [1]; null leaves the tangents in float. */
  readonly clip: Float64Array | null;
}

export interface PlainScoresSize {
  readonly batch: number;
  readonly time: number;
  readonly sourceTime: number;
  readonly units: number;
}

/** [batch, time, sourceTime]. */
export function plainScores(
  { queries, keys, bias, weights, clip }: PlainScoresInputs,
  { batch, time, sourceTime, units }: PlainScoresSize,
  bits: number,
  quantizer: Quantizer,
): number[] {
  const scores: number[] = [];
  for (let b = 0; b < batch; b++) {
    for (let t = 0; t < time; t++) {
      for (let s = 0; s < sourceTime; s++) {
        let score = 0;
        for (let u = 0; u < units; u++) {
          const query = queries[(b * time + t) * units + u]!;
          const tangent = Math.tanh(query + keys[(b * sourceTime + s) * units + u]! + bias[u]!);
          score += weights[u]! * (clip === null ? tangent : quantizer(tangent, clip[0]!, bits));
        }
        scores.push(score);
      }
    }
  }
  return scores;
}
