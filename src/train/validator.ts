/** What the trainer asks of whoever judges a model. */
import type { Seq2SeqModel } from "../models/model.ts";

/** One judgement of a model. */
export interface Validation {
  /** What checkpoints are ranked by: higher is better, finite. */
  readonly score: number;
  /** Further figures for the logs; they must not depend on the clock. */
  readonly metrics: Readonly<Record<string, number>>;
}

/** Judges the current weights of a model; the same weights must give the same judgement. */
export interface Validator {
  /**
   * @param step step of the weights, for messages
   * @param signal when aborted, the validation may end by throwing; a resumed run repeats it
   */
  validate(model: Seq2SeqModel, step: number, signal?: AbortSignal): Promise<Validation>;
  /** Frees what validations share. */
  dispose?(): void;
}
