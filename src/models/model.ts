/** What trainers, decoders, calibration and exporters see of a sequence-to-sequence model. */
import type * as tf from "@tensorflow/tfjs";
import type { QuantLayer } from "../layers/quant-layer.ts";
import type { Pass } from "../quant/pass.ts";

/** Encoder results of a batch, tensors kept until {@link Seq2SeqModel.disposeState}. */
export interface DecodeState {
  /** Tensors with one leading row per hypothesis; opaque to decoders. */
  readonly tensors: Readonly<Record<string, tf.Tensor>>;
  /** Tokens decoded so far; the position of the next token. */
  readonly time: number;
}

export interface Seq2SeqModel {
  /** Name in the model catalogue and in model_configs.yml, such as `Transformer`. */
  readonly className: string;
  /** NeurST's dotted parameters (`encoder.num_layers` …), complete. */
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
   * Scores of the next token of each hypothesis. Consumes (disposes) `state`.
   * @param ids [rows] int32, the previous token of each row
   * @returns logits [rows, targetVocab]; caller disposes
   */
  step(
    ids: tf.Tensor1D,
    state: DecodeState,
    pass: Pass,
  ): { logits: tf.Tensor2D; state: DecodeState };
  /** Rows of a state by index (repeats and drops allowed). Consumes `state`. */
  gatherState(state: DecodeState, rows: tf.Tensor1D): DecodeState;
  disposeState(state: DecodeState): void;
  dispose(): void;
}
