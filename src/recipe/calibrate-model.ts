/** First clips of a quantized model: weights from their values, activations from training batches. */
import * as tf from "@tensorflow/tfjs";
import type { Batch } from "../data/batch.ts";
import { TrainingError } from "../errors.ts";
import { batchTensors } from "../models/loss.ts";
import type { Seq2SeqModel } from "../models/model.ts";
import { createPass, disposePass } from "../quant/pass.ts";
import type { Quantizer } from "../quant/quantizers.ts";
import { SILENT, type RunReporter } from "./run-reporter.ts";

/** How a model is calibrated. */
export interface CalibrateOptions {
  /** Batches that the float model runs over. */
  readonly batches: Iterable<Batch>;
  /** How many they are. */
  readonly count: number;
  /** Names of the clip variables to set, or null for all. */
  readonly only: ReadonlySet<string> | null;
  readonly reporter?: RunReporter;
}

/**
 * Sets every clip that the user has not given: of a weight to its largest absolute value (in each
 * channel), of an activation to the largest absolute value that the float model makes on the
 * batches. The weights themselves stay as they are.
 * @returns names of the clip variables that were set
 * @throws {TrainingError} if an activation is not finite
 */
export async function calibrateModel(
  model: Seq2SeqModel,
  options: CalibrateOptions,
): Promise<string[]> {
  const { only, reporter = SILENT } = options;
  const open = model
    .layers()
    .flatMap((layer) => [...layer.quantizers.values()])
    .filter(({ clip, isClipGiven }) => clip !== null && !isClipGiven)
    .filter(({ path }) => only === null || only.has(clipName(path)));
  const weights = open.filter(({ kind }) => kind === "weight");
  for (const quantizer of weights) calibrateWeight(model, quantizer);
  const activations = open.filter(({ kind }) => kind !== "weight");
  if (activations.length > 0) {
    const largest = await observe(model, options, reporter);
    for (const { path } of activations) assignClip(model, path, largest.get(path));
  }
  return open.map(({ path }) => clipName(path));
}

function calibrateWeight(model: Seq2SeqModel, { path, axis }: Quantizer): void {
  tf.tidy(() => {
    const magnitude = tf.abs(variableOf(model, path));
    const others = magnitude.shape.map((_, i) => i).filter((i) => i !== axis);
    variableOf(model, clipName(path)).assign(tf.max(magnitude, axis === null ? undefined : others));
  });
}

/** Largest absolute value of each activation in a float pass over the batches. */
async function observe(
  model: Seq2SeqModel,
  { batches, count }: CalibrateOptions,
  reporter: RunReporter,
): Promise<Map<string, number>> {
  const largest = new Map<string, number>();
  const progress = reporter.progress("calibrate", "batches");
  let done = 0;
  for (const batch of batches) {
    const seen = new Map<string, tf.Tensor[]>();
    tf.tidy(() => {
      runFloat(model, batch, (path, value) => {
        seen.set(path, [...(seen.get(path) ?? []), tf.keep(value)]);
      });
    });
    for (const [path, values] of seen) {
      for (const value of values) {
        const [most] = await value.data<"float32">();
        largest.set(path, Math.max(largest.get(path) ?? 0, most!));
        value.dispose();
      }
    }
    progress.update(++done, count);
  }
  progress.end();
  return largest;
}

/** Teacher-forced pass without rounding; `see` gets max |x| of each activation. */
function runFloat(
  model: Seq2SeqModel,
  batch: Batch,
  see: (path: string, largest: tf.Scalar) => void,
): void {
  const pass = createPass({
    skipQuantization: true,
    observe: (path, x) => {
      see(path, tf.max(tf.abs(x)));
    },
  });
  const { source, sourceLengths, targetInput } = batchTensors(batch);
  model.logits(source, sourceLengths, targetInput, pass);
  disposePass(pass);
}

function assignClip(model: Seq2SeqModel, path: string, largest: number | undefined): void {
  if (largest === undefined || !Number.isFinite(largest)) {
    throw new TrainingError(
      `calibration, "${path}": expected finite activations, received ${largest ?? "none"}. ` +
        "Check the weights and the training text.",
    );
  }
  tf.tidy(() => {
    variableOf(model, clipName(path)).assign(tf.scalar(largest));
  });
}

function variableOf(model: Seq2SeqModel, name: string): tf.Variable {
  return model.variables.get(name)!;
}

function clipName(path: string): string {
  return `${path}_clip_max`;
}
