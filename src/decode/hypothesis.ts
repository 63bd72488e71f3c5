/** One decoded output and its score. */

/** A decoded output. */
export interface Hypothesis {
  /** Generated ids, the final EOS included if there is one; no padding. */
  readonly tokens: Int32Array;
  /** What the search compares: log-probability · length factor, or GNMT's score. Higher is better. */
  readonly score: number;
  /** Sum of the tokens' log-probabilities in nats; float32, added in order. */
  readonly logProb: number;
  /** False where the length limit cut the output off before EOS. */
  readonly finished: boolean;
}

/**
 * What a log-probability is multiplied by to become a score: ((5 + length) / 6)^−α, or 1 / length
 * for α < 0. float32.
 * @param length tokens, EOS included, at least 1
 * @see Wu et al. 2016, arXiv:1609.08144, section 7
 */
export function lengthFactor(length: number, alpha: number): number {
  if (alpha < 0) return Math.fround(1 / length);
  return Math.fround(Math.fround((5 + length) / 6) ** -alpha);
}
