/** What trainers, decoders, calibration and exporters see of a sequence-to-sequence model. */
import type * as tf from "@tensorflow/tfjs";
import type { QuantLayer } from "../layers/quant-layer.ts";
import type { QuantConfig } from "../quant/config.ts";
import type { Pass } from "../quant/pass.ts";
import type { StepsInBlocks } from "./block-step.ts";
import type { StateRows } from "./state-rows.ts";

/**
 * What a model remembers of a batch while it is decoded, opaque to decoders. Tensors are written once
 * and stay in their place until {@link Seq2SeqModel.disposeState}; rows say which part is theirs.
 */
export interface DecodeState {
  readonly tensors: Readonly<Record<string, readonly tf.Tensor[]>>;
  readonly rows: StateRows;
  /** Whether layers keep their past in blocks; see block-state.ts [default: false]. */
  readonly isInBlocks?: boolean;
}

/** What every model is made from. */
export interface ModelArgs {
  /** `model.params`; missing ones get their defaults. */
  readonly params: unknown;
  readonly sourceVocabSize: number;
  readonly targetVocabSize: number;
  /** Null for a float model. */
  readonly quantConfig: QuantConfig | null;
  /** Seed of initial weights. */
  readonly seed: number;
}

/** A step of decoding that says how each row looked at its source; the caller disposes the tensors. */
export interface AttendedStep {
  /** [rows, targetVocab]. */
  readonly logits: tf.Tensor2D;
  /** [rows, sourceTime], float; 0 on padding. */
  readonly attention: tf.Tensor2D;
  readonly state: DecodeState;
}

export interface Seq2SeqModel {
  /** Name in the model catalogue and in model_configs.yml, such as `Transformer`. */
  readonly className: string;
  /** `model.params`, complete. */
  readonly params: Readonly<Record<string, unknown>>;
  readonly sourceVocabSize: number;
  readonly targetVocabSize: number;
  /** Checkpoint name → variable, clips included, in creation order. Owned by the model. */
  readonly variables: ReadonlyMap<string, tf.Variable>;
  /** All layers, depth first. */
  layers(): readonly QuantLayer[];
  /**
   * Teacher-forced scores. Call inside tf.tidy.
   * @param source [batch, sourceTime] int32 ids, padded with EOS
   * @param sourceLengths [batch] int32, EOS included
   * @param targetInput [batch, time] int32: BOS, then the target without its last token
   * @returns logits [batch · time, targetVocab] float32; caller disposes
   */
  logits(
    source: tf.Tensor2D,
    sourceLengths: tf.Tensor1D,
    targetInput: tf.Tensor2D,
    pass: Pass,
  ): tf.Tensor2D;
  /** Encodes a batch for decoding. Caller disposes by {@link disposeState}. */
  startState(source: tf.Tensor2D, sourceLengths: tf.Tensor1D, pass: Pass): DecodeState;
  /**
   * Scores of the next token of each hypothesis. Consumes `state`, also where it throws.
   * @param ids [rows] int32, the previous token of each row
   * @returns logits [rows, targetVocab]; caller disposes
   */
  step(
    ids: tf.Tensor1D,
    state: DecodeState,
    pass: Pass,
  ): { logits: tf.Tensor2D; state: DecodeState };
  /** {@link step} with the attention of each row, where the model has one attention that counts. */
  stepAttended?(ids: tf.Tensor1D, state: DecodeState, pass: Pass): AttendedStep;
  /** Rows of a state by index (repeats and drops allowed). Consumes `state`. */
  gatherState(state: DecodeState, rows: Int32Array): DecodeState;
  disposeState(state: DecodeState): void;
  /** Steps that can be captured, where the model has them; see captured-scorer.ts. */
  readonly inBlocks?: StepsInBlocks;
  dispose(): void;
}
