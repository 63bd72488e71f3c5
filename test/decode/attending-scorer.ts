/** A scorer without a model that attends: weights follow from the source and the tokens so far. */
import { mixBits } from "../../src/core/dropout-hash.ts";
import {
  makeRowCandidates,
  type RowScoring,
  topCandidates,
} from "../../src/core/top-candidates.ts";
import type { AttendingScorer } from "../../src/decode/step-scorer.ts";
import { SyntheticScorer, type SyntheticState } from "./synthetic-scorer.ts";

/** Columns of padding beyond the longest source of a state. */
const EXTRA_PADDING = 2;

export class AttendingSyntheticScorer
  extends SyntheticScorer
  implements AttendingScorer<SyntheticState>
{
  /** Weights of the source's tokens after `prefix`; their sum is 1, some are exactly 0. */
  attentionOf(source: Int32Array, prefix: readonly number[]): Float32Array {
    let hash = mixBits(77);
    for (const id of [...source, -2, ...prefix]) hash = mixBits(hash ^ mixBits(id + 7));
    const levels = Array.from(source, (_, s) => mixBits(hash ^ mixBits(s + 2000)) % 5);
    if (Math.max(...levels) === 0) levels[0] = 1;
    const sum = levels.reduce((total, level) => total + level, 0);
    return Float32Array.from(levels, (level) => level / sum);
  }

  stepAttended(state: SyntheticState, ids: Int32Array, scoring: RowScoring, size: number) {
    const next = this.step(state, ids);
    const best = makeRowCandidates(ids.length, size);
    topCandidates(next.logProbs, scoring, best);
    const { rows } = next.state;
    const time = Math.max(...rows.map(({ source }) => source.length)) + EXTRA_PADDING;
    const attention = new Float32Array(rows.length * time);
    rows.forEach(({ source, prefix }, row) => {
      attention.set(this.attentionOf(source, prefix), row * time);
    });
    return { best, attention, time, state: next.state };
  }
}
