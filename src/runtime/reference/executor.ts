/** What every reference executor offers, whatever its architecture. */
import type { RowCandidates, RowScoring } from "../../core/top-candidates.ts";
import type { Trace } from "./trace.ts";

/** Hypotheses, one for each row; only the executor that made them knows what they hold. */
export type ReferenceState = readonly object[];

/** Runs an int8 export on plain arrays, one sentence at a time; a step scorer for decoding. */
export interface ReferenceExecutor {
  readonly vocabSize: number;
  /**
   * Teacher-forced logits of one sentence.
   * @param source ids with EOS
   * @param targetInput BOS, then the target without its last token
   * @returns float32 [time, vocabSize]
   */
  logits(source: Int32Array, targetInput: Int32Array, trace?: Trace): Float32Array;
  /** Encodes sources; one row for each. */
  start(sources: readonly Int32Array[]): ReferenceState;
  /**
   * Advances every row by one token.
   * @param ids [rows], the previous token of each row
   * @returns natural log-probabilities [rows · vocabSize], and the state after the tokens
   */
  step(
    state: ReferenceState,
    ids: Int32Array,
    trace?: Trace,
  ): { logProbs: Float32Array; state: ReferenceState };
  /** {@link step}'s best tokens with each row's attention, where the model has one that counts. */
  stepAttended?(
    state: ReferenceState,
    ids: Int32Array,
    scoring: RowScoring,
    size: number,
  ): { best: RowCandidates; attention: Float32Array; time: number; state: ReferenceState };
  /** Rows of a state by index; repeats and drops allowed. */
  gather(state: ReferenceState, rows: Int32Array): ReferenceState;
  /** Nothing to free: states are plain arrays. */
  dispose(state: ReferenceState): void;
}
