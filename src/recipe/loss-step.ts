/** The losses of one batch: what an evaluation repeats, captured as graphs on the native backend. */
import * as tf from "@tensorflow/tfjs";
import type { Batch } from "../data/batch.ts";
import { captureStep, type CapturedStep, type CaptureReport } from "../graph/captured-step.ts";
import { batchTensors } from "../models/loss.ts";
import type { Seq2SeqModel } from "../models/model.ts";
import { smoothedCrossEntropy } from "../ops/cross-entropy.ts";
import { withPass, type Pass } from "../quant/pass.ts";

/** What a batch's losses follow from, int32; see {@link batchTensors}. */
export type LossInputs = [
  source: tf.Tensor2D,
  sourceLengths: tf.Tensor1D,
  targetInput: tf.Tensor2D,
  target: tf.Tensor2D,
];

/**
 * Losses of a batch with and without smoothing. Call it inside tf.tidy.
 * @param smoothing ε of the smoothed loss
 * @returns float32 [2 · size · targetTime], padding included
 */
export function batchLosses(
  model: Seq2SeqModel,
  [source, lengths, targetInput, target]: LossInputs,
  smoothing: number,
  pass: Pass,
): tf.Tensor1D {
  const logits = model.logits(source, lengths, targetInput, pass);
  const targets = tf.reshape<tf.Rank.R1>(target, [target.size]);
  const plain = smoothedCrossEntropy(logits, targets, 0);
  const smoothed = smoothing === 0 ? plain : smoothedCrossEntropy(logits, targets, smoothing);
  return tf.concat1d([smoothed, plain]);
}

/** A batch's tensors; the caller disposes them. */
export function lossInputs(batch: Batch): LossInputs {
  const { source, sourceLengths, targetInput, target, targetLengths } = batchTensors(batch);
  targetLengths.dispose();
  return [source, sourceLengths, targetInput, target];
}

/**
 * {@link batchLosses} for evaluations that repeat while the weights change: one graph for each shape of
 * a batch serves them all. End it by {@link dispose}.
 */
export class LossStep {
  readonly #captured: CapturedStep<LossInputs, tf.Tensor1D>;
  #model: Seq2SeqModel | null = null;

  /** @param smoothing ε of the smoothed loss */
  constructor(smoothing: number) {
    // The pass begins and ends in the step: a graph that kept quantized weights would be of no use
    // after the next update. Rounding them anew is a small part of a batch.
    const step = (...inputs: LossInputs): tf.Tensor1D =>
      withPass({ products: "codes" }, (pass) => batchLosses(this.#model!, inputs, smoothing, pass));
    // From the first batch on: a validation has the same bits whether or not others went before it.
    this.#captured = captureStep(step, { name: "evaluation" });
  }

  /** How often batches were replayed as graphs. */
  get report(): CaptureReport {
    return this.#captured.report;
  }

  /** @returns what {@link batchLosses} returns; the caller disposes it */
  run(model: Seq2SeqModel, inputs: LossInputs): tf.Tensor1D {
    if (model !== this.#model) this.#captured.dispose();
    this.#model = model;
    return this.#captured.run(...inputs);
  }

  /** Frees the graphs. */
  dispose(): void {
    this.#captured.dispose();
  }
}
