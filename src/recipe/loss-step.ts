/** The losses of one batch: what an evaluation repeats, captured as graphs on the native backend. */
import * as tf from "@tensorflow/tfjs";
import type { Batch } from "../data/batch.ts";
import { captureStep, type CapturedStep, type CaptureReport } from "../graph/captured-step.ts";
import { nativeBackend } from "../graph/native-backend.ts";
import { batchTensors } from "../models/loss.ts";
import type { Seq2SeqModel } from "../models/model.ts";
import { smoothedCrossEntropy } from "../ops/cross-entropy.ts";
import { withPass, type Pass } from "../quant/pass.ts";

/**
 * Runs of a shape before it is captured. Measured on the shipped model: a capture costs what it saves in
 * about this many batches, so an evaluation that is made once stays eager and a training run's
 * validations are captured from about the third on.
 */
const CAPTURE_AFTER = 6;

/** What a batch's losses follow from, int32; see BatchTensors. */
type LossInputs = [
  source: tf.Tensor2D,
  sourceLengths: tf.Tensor1D,
  targetInput: tf.Tensor2D,
  target: tf.Tensor2D,
];

/** Losses of batches under a model in evaluation arithmetic. End it by {@link dispose}. */
export class LossStep {
  readonly #labelSmoothing: number;
  readonly #captured: CapturedStep<LossInputs, tf.Tensor1D>;
  #model: Seq2SeqModel | null = null;

  /** @param labelSmoothing ε of the smoothed loss */
  constructor(labelSmoothing: number, captureAfter = CAPTURE_AFTER) {
    this.#labelSmoothing = labelSmoothing;
    // The pass begins and ends in the step: a graph then follows from variables alone and serves all
    // validations of a run. Rounding the weights anew costs a batch 1 to 2 % of its time.
    const step = (...inputs: LossInputs): tf.Tensor1D =>
      withPass({ products: "codes" }, (pass) => this.#losses(inputs, pass));
    this.#captured = captureStep(step, { name: "evaluation", captureAfter });
  }

  get report(): CaptureReport {
    return this.#captured.report;
  }

  /**
   * Losses with and without smoothing.
   * @param pass keeps the quantized weights where nothing is captured
   * @returns float32 [2 · size · targetTime], padding included; the caller disposes it
   */
  run(model: Seq2SeqModel, batch: Batch, pass: Pass): tf.Tensor1D {
    if (model !== this.#model) this.#captured.dispose();
    this.#model = model;
    const { source, sourceLengths, targetInput, target, targetLengths } = batchTensors(batch);
    const inputs: LossInputs = [source, sourceLengths, targetInput, target];
    try {
      if (nativeBackend() !== null) return this.#captured.run(...inputs);
      return tf.tidy(() => this.#losses(inputs, pass));
    } finally {
      tf.dispose([...inputs, targetLengths]);
    }
  }

  /** Frees the graphs. */
  dispose(): void {
    this.#captured.dispose();
  }

  #losses([source, lengths, targetInput, target]: LossInputs, pass: Pass): tf.Tensor1D {
    const logits = this.#model!.logits(source, lengths, targetInput, pass);
    const targets = tf.reshape<tf.Rank.R1>(target, [target.size]);
    const plain = smoothedCrossEntropy(logits, targets, 0);
    const smoothing = this.#labelSmoothing;
    const smoothed = smoothing === 0 ? plain : smoothedCrossEntropy(logits, targets, smoothing);
    return tf.concat1d([smoothed, plain]);
  }
}
