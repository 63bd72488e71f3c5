/** First clips of a model that is to be trained: calibrated on training batches. */
import type { Batch } from "../data/batch.ts";
import { batchTensors } from "../models/loss.ts";
import type { Seq2SeqModel } from "../models/model.ts";
import { calibrateClips } from "../quant/calibrate.ts";
import type { Pass } from "../quant/pass.ts";
import { SILENT, type RunReporter } from "./run-reporter.ts";

/** How a model is calibrated. */
export interface CalibrateOptions {
  /** Batches that the float model runs over. */
  readonly batches: readonly Batch[];
  /** Names of the clip variables to set, or null for all. */
  readonly only: ReadonlySet<string> | null;
  readonly reporter?: RunReporter;
}

/**
 * Sets every clip that the user has not given, as {@link calibrateClips} does by default.
 * @returns names of the clip variables that were set
 * @throws {TrainingError} if a weight or an activation is not finite
 */
export function calibrateModel(model: Seq2SeqModel, options: CalibrateOptions): string[] {
  return calibrateClips(model, teacherForcedPasses(model, options), { only: options.only });
}

/** One pass for each batch; the next is asked for when one is done. */
function* teacherForcedPasses(
  model: Seq2SeqModel,
  { batches, reporter = SILENT }: CalibrateOptions,
): Generator<(pass: Pass) => void> {
  const progress = reporter.progress("calibrate", "batches");
  try {
    for (const [i, batch] of batches.entries()) {
      yield (pass) => {
        const { source, sourceLengths, targetInput, targetLengths } = batchTensors(batch);
        model.logits(source, sourceLengths, targetInput, { ...pass, targetLengths });
      };
      progress.update(i + 1, batches.length);
    }
  } finally {
    progress.end();
  }
}
