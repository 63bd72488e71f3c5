/** The plain GNMT as a scorer: one row at a time, no batching. */
import {
  makeRowCandidates,
  type RowScoring,
  topCandidates,
} from "../../src/core/top-candidates.ts";
import type { AttendingScorer } from "../../src/decode/step-scorer.ts";
import type { PlainContext, PlainDecoderState, PlainGnmt } from "./plain-gnmt.ts";

interface PlainRow {
  readonly context: PlainContext;
  readonly state: PlainDecoderState;
}

export class PlainGnmtScorer implements AttendingScorer<readonly PlainRow[]> {
  readonly vocabSize: number;
  readonly #model: PlainGnmt;

  constructor(model: PlainGnmt) {
    this.#model = model;
    this.vocabSize = model.vocab;
  }

  start(sources: readonly Int32Array[]): readonly PlainRow[] {
    return sources.map((source) => ({
      context: this.#model.encode(source),
      state: this.#model.start(),
    }));
  }

  step(rows: readonly PlainRow[], ids: Int32Array) {
    const { logProbs, state } = this.#stepRows(rows, ids);
    return { logProbs, state };
  }

  stepAttended(rows: readonly PlainRow[], ids: Int32Array, scoring: RowScoring, size: number) {
    const { logProbs, attentions, state } = this.#stepRows(rows, ids);
    const best = makeRowCandidates(rows.length, size);
    topCandidates(logProbs, scoring, best);
    const time = Math.max(...attentions.map((of) => of.length));
    const attention = new Float32Array(rows.length * time);
    attentions.forEach((of, row) => {
      attention.set(of, row * time);
    });
    return { best, attention, time, state };
  }

  gather(rows: readonly PlainRow[], chosen: Int32Array): readonly PlainRow[] {
    return Array.from(chosen, (row) => rows[row]!);
  }

  dispose(): void {
    // Plain arrays need no disposal.
  }

  #stepRows(rows: readonly PlainRow[], ids: Int32Array) {
    const steps = rows.map(({ context, state }, i) => this.#model.step(context, state, ids[i]!));
    const logProbs = new Float32Array(rows.length * this.vocabSize);
    steps.forEach(({ logits }, i) => {
      logProbs.set(logSoftmax(logits), i * this.vocabSize);
    });
    const state = steps.map((step, i) => ({ context: rows[i]!.context, state: step.state }));
    return { logProbs, attentions: steps.map(({ attention }) => attention), state };
  }
}

function logSoftmax(logits: Float64Array): Float64Array {
  const highest = Math.max(...logits);
  const sum = logits.reduce((total, logit) => total + Math.exp(logit - highest), 0);
  return logits.map((logit) => logit - highest - Math.log(sum));
}
