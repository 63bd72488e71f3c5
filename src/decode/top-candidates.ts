/** The best few of the candidates that the hypotheses of one sentence offer. */
import type { RowCandidates } from "../core/top-candidates.ts";
import { CheckpointError } from "../errors.ts";

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

  /** Offers the best tokens of one row, which has `size` of them or fewer. */
  offerRow(beam: number, { tokens, logProbs, scores }: RowCandidates, row: number): void {
    for (let i = row * this.size; i < (row + 1) * this.size && tokens[i]! >= 0; i++) {
      this.offer(beam, tokens[i]!, logProbs[i]!, scores[i]!);
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
