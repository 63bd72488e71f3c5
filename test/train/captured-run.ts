/** Runs of the tiny model whose steps are captured as graphs. */
import { Trainer } from "../../src/train/trainer.ts";
import type { TrainerOptions } from "../../src/train/train-options.ts";
import { QUANT, tinyBatches, tinyExamples, tinyOptions, tinyValidation } from "./tiny-run.ts";
import { tinyModel } from "./tiny-test.ts";

class Killed extends Error {}

export interface CapturedRun {
  readonly losses: number[];
  readonly notices: string[];
}

/** Trains in a directory, as a fresh process would; dies after a step if told so. */
export async function captureRun(
  directory: string,
  settings: Partial<TrainerOptions>,
  dieAt?: number,
): Promise<CapturedRun> {
  const quant = settings.quant === undefined ? QUANT : settings.quant;
  const batches = tinyBatches(12, tinyExamples(), true);
  const validation = tinyValidation(directory);
  const options = { batches, validation, capture: {}, ...settings };
  const trainer = new Trainer(tinyOptions(directory, tinyModel(quant), options));
  const losses: number[] = [];
  const notices: string[] = [];
  try {
    await trainer.train({
      onNotice: (line) => notices.push(line),
      onStep: ({ step, loss }) => {
        losses.push(loss);
        if (step === dieAt) throw new Killed();
      },
    });
  } catch (error) {
    if (!(error instanceof Killed)) throw error;
  } finally {
    trainer.dispose();
  }
  return { losses, notices };
}
