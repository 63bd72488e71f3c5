/** The best few of many scores in one pass: most entries fail one comparison with the worst kept. */
import { CheckpointError } from "../errors.ts";

/** How one row of log-probabilities is turned into scores. */
export interface RowScoring {
  /** Log-probability of the hypothesis so far. */
  readonly accumulated: number;
  /** Factor of the length penalty, positive. */
  readonly factor: number;
  /** Tokens that may not be chosen; −1: none. */
  readonly maskedA: number;
  readonly maskedB: number;
}

/**
 * Keeps the `size` best candidates offered since the last clear. Of equal scores the one offered
 * first stays ahead: the earlier beam, then the lower token.
 */
export class TopCandidates {
  readonly size: number;
  readonly scores: Float32Array;
  readonly logProbs: Float32Array;
  readonly tokens: Int32Array;
  readonly beams: Int32Array;
  count = 0;
  /** Score that a candidate must beat; NaN, which nothing fails, until `size` are kept. */
  #threshold = NaN;

  constructor(size: number) {
    this.size = size;
    this.scores = new Float32Array(size);
    this.logProbs = new Float32Array(size);
    this.tokens = new Int32Array(size);
    this.beams = new Int32Array(size);
  }

  clear(): void {
    this.count = 0;
    this.#threshold = NaN;
  }

  /** Offers each token of one row: score = (logProbs[offset + token] + accumulated) · factor. */
  offerRow(beam: number, logProbs: Float32Array, range: readonly [number, number], s: RowScoring) {
    const [offset, vocabSize] = range;
    const { accumulated, factor, maskedA, maskedB } = s;
    let threshold = this.#threshold;
    for (let token = 0; token < vocabSize; token++) {
      const total = Math.fround(logProbs[offset + token]! + accumulated);
      const score = Math.fround(total * factor);
      if (score <= threshold) continue;
      if (token === maskedA || token === maskedB) continue;
      this.offer(beam, token, total, score);
      threshold = this.#threshold;
    }
  }

  /** Offers one candidate. */
  offer(beam: number, token: number, logProb: number, score: number): void {
    if (score <= this.#threshold) return;
    if (Number.isNaN(score)) {
      throw new CheckpointError(
        `decoding: expected log-probabilities, received NaN for token ${token}. ` +
          `The model's weights are probably not finite; inspect the checkpoint.`,
      );
    }
    let at = Math.min(this.count, this.size - 1);
    for (; at > 0 && this.scores[at - 1]! < score; at--) {
      this.scores[at] = this.scores[at - 1]!;
      this.logProbs[at] = this.logProbs[at - 1]!;
      this.tokens[at] = this.tokens[at - 1]!;
      this.beams[at] = this.beams[at - 1]!;
    }
    this.scores[at] = score;
    this.logProbs[at] = logProb;
    this.tokens[at] = token;
    this.beams[at] = beam;
    if (this.count < this.size) this.count++;
    if (this.count === this.size) this.#threshold = this.scores[this.size - 1]!;
  }
}
