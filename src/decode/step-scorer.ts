/** What a decoder needs of a model: start, step, choose rows. Engines implement it; decoders know no engine. */

import type { RowCandidates, RowScoring } from "../core/top-candidates.ts";

export interface StepScorer<State> {
  readonly vocabSize: number;
  /**
   * Encodes sources; one row for each.
   * @param sources token ids, EOS included, not padded
   */
  start(sources: readonly Int32Array[]): State;
  /**
   * Advances every row by one token. Consumes `state`.
   * @param ids [rows], the previous token of each row
   * @returns log-probabilities (nats) [rows · vocabSize], row-major
   */
  step(state: State, ids: Int32Array): { logProbs: Float32Array; state: State };
  /**
   * Like {@link step}, but of each row only the `size` best tokens, where the engine can choose them
   * without handing all log-probabilities over.
   */
  stepTop?(
    state: State,
    ids: Int32Array,
    scoring: RowScoring,
    size: number,
  ): { best: RowCandidates; state: State };
  /** Rows of a state by index; repeats and drops allowed. Consumes `state`. */
  gather(state: State, rows: Int32Array): State;
  dispose(state: State): void;
}

/** A scorer whose model attends to the source and says how. */
export interface AttendingScorer<State> extends StepScorer<State> {
  /**
   * Like {@link StepScorer.stepTop}, with the attention of each row to its source. Consumes `state`.
   * @returns `attention` [rows, time], float32, row-major: each row's weights of its source's tokens,
   * 0 on padding; `time` is at least the length of every row's source
   */
  stepAttended(
    state: State,
    ids: Int32Array,
    scoring: RowScoring,
    size: number,
  ): { best: RowCandidates; attention: Float32Array; time: number; state: State };
}

/** True if a scorer says how its model attends. */
export function isAttending<State>(scorer: StepScorer<State>): scorer is AttendingScorer<State> {
  return (scorer as Partial<AttendingScorer<State>>).stepAttended !== undefined;
}
