/** The loss of a batch: what training minimizes, validation reports and the golden values fix. */
import * as tf from "@tensorflow/tfjs";
import type { Batch } from "../data/batch.ts";
import { smoothedCrossEntropy } from "../ops/cross-entropy.ts";
import type { Pass } from "../quant/pass.ts";
import type { Seq2SeqModel } from "./model.ts";

/** A batch as tensors; int32. The caller disposes them. */
export interface BatchTensors {
  /** [size, sourceTime]. */
  readonly source: tf.Tensor2D;
  /** [size]. */
  readonly sourceLengths: tf.Tensor1D;
  /** [size, targetTime]. */
  readonly targetInput: tf.Tensor2D;
  /** [size, targetTime]. */
  readonly target: tf.Tensor2D;
  /** [size]. */
  readonly targetLengths: tf.Tensor1D;
}

/** Loss of a batch, scalars; the caller disposes them. */
export interface SequenceLoss {
  /** Mean over the target tokens, nats. */
  readonly loss: tf.Scalar;
  /** Sum over the target tokens, nats. */
  readonly total: tf.Scalar;
  /** Number of target tokens, EOS included, padding not. */
  readonly tokens: tf.Scalar;
}

/** Copies a batch to the backend. */
export function batchTensors(batch: Batch): BatchTensors {
  const { size, sourceTime, targetTime } = batch;
  return {
    source: tf.tensor2d(batch.source, [size, sourceTime], "int32"),
    sourceLengths: tf.tensor1d(batch.sourceLengths, "int32"),
    targetInput: tf.tensor2d(batch.targetInput, [size, targetTime], "int32"),
    target: tf.tensor2d(batch.target, [size, targetTime], "int32"),
    targetLengths: tf.tensor1d(batch.targetLengths, "int32"),
  };
}

/**
 * Label-smoothed cross-entropy of the target tokens, padding left out. Without clip penalties.
 * Call it inside tf.tidy.
 * @param smoothing ε, 0 for the plain negative log-likelihood
 */
export function sequenceLoss(
  model: Seq2SeqModel,
  batch: BatchTensors,
  smoothing: number,
  pass: Pass,
): SequenceLoss {
  const { source, sourceLengths, targetInput, target, targetLengths } = batch;
  const [size, time] = target.shape;
  const logits = model.logits(source, sourceLengths, targetInput, pass);
  const losses = smoothedCrossEntropy(logits, tf.reshape(target, [size * time]), smoothing);
  const isToken = tf.less(tf.range(0, time, 1, "int32"), tf.expandDims(targetLengths, 1));
  const mask = tf.reshape(tf.cast(isToken, "float32"), [size * time]);
  const total = tf.sum<tf.Scalar>(tf.mul(losses, mask));
  const tokens = tf.cast<tf.Scalar>(tf.sum(targetLengths), "float32");
  return { loss: tf.div(total, tokens), total, tokens };
}
