/** The loss of a batch: what training minimizes, validation reports and the golden values fix. */
import * as tf from "@tensorflow/tfjs";
import type { Batch } from "../data/batch.ts";
import { smoothedCrossEntropy, uniformlySmoothedCrossEntropy } from "../ops/cross-entropy.ts";
import type { Pass } from "../quant/pass.ts";
import type { Seq2SeqModel } from "./model.ts";

/** What training minimizes. */
export interface Criterion {
  /**
   * `token`: NeurST's smoothed cross-entropy, the mean over target tokens. `sentence`: MLPerf's GNMT's,
   * the sum over the tokens of a sentence, the mean over sentences; it spreads ε over all tokens.
   */
  readonly per: "token" | "sentence";
  /** ε, 0 ≤ ε < 1. */
  readonly labelSmoothing: number;
}

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
  /** Mean over what the criterion says, nats. */
  readonly loss: tf.Scalar;
  /** Sum over the target tokens, nats. */
  readonly total: tf.Scalar;
  /** What the sum is divided by: target tokens, EOS included and padding not, or sentences. */
  readonly count: tf.Scalar;
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
 * Cross-entropy of the target tokens, padding left out. Without clip penalties. Call it inside
 * tf.tidy.
 */
export function sequenceLoss(
  model: Seq2SeqModel,
  batch: BatchTensors,
  { per, labelSmoothing }: Criterion,
  pass: Pass,
): SequenceLoss {
  const { source, sourceLengths, targetInput, target, targetLengths } = batch;
  const [size, time] = target.shape;
  const seenPass = { ...pass, targetLengths };
  const logits = model.logits(source, sourceLengths, targetInput, seenPass);
  const crossEntropy = per === "token" ? smoothedCrossEntropy : uniformlySmoothedCrossEntropy;
  const losses = crossEntropy(logits, tf.reshape(target, [size * time]), labelSmoothing);
  const isToken = tf.less(tf.range(0, time, 1, "int32"), tf.expandDims(targetLengths, 1));
  const mask = tf.reshape(tf.cast(isToken, "float32"), [size * time]);
  const total = tf.sum<tf.Scalar>(tf.mul(losses, mask));
  const count =
    per === "token" ? tf.cast<tf.Scalar>(tf.sum(targetLengths), "float32") : tf.scalar(size);
  return { loss: tf.div(total, count), total, count };
}
