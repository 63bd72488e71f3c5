/** Training steps of a model of ours on given batches, as the trainer makes them, one by one. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Batch } from "../src/data/batch.ts";
import type { CaptureOptions } from "../src/graph/captured-step.ts";
import { buildModel, type BuiltModel } from "../src/recipe/build-model.ts";
import { calibrateModel } from "../src/recipe/calibrate-model.ts";
import type { Recipe } from "../src/recipe/schema.ts";
import { createTranslationTask } from "../src/recipe/translation-task.ts";
import { StepDropout } from "../src/train/dropout-source.ts";
import { Adam } from "../src/train/optimizer.ts";
import { TrainStep } from "../src/train/train-step.ts";
import { assignInitialWeights } from "./initial-weights.ts";
import { batchOf, recipeOf, type AnyWorkload, type PlainBatch } from "./workloads.ts";

const LEARNING_RATE = 1e-4;

/**
 * Unlike a run of the recipe it can wait between its steps, so that a captured step is captured once
 * and not in every turn.
 */
export class ModelTrainer {
  readonly #batches: readonly Batch[];
  readonly #recipe: Recipe;
  readonly #built: BuiltModel;
  readonly #optimizer: Adam;
  readonly #trainStep: TrainStep;
  #steps = 0;

  /** @param directory where `batches.json`, the workload's files and perhaps its weights are */
  constructor(
    workload: AnyWorkload,
    directory: string,
    isQuantized: boolean,
    options: CaptureOptions = {},
  ) {
    const text = readFileSync(join(directory, "batches.json"), "utf8");
    this.#batches = (JSON.parse(text) as PlainBatch[]).map(batchOf);
    const run = { quantized: isQuantized, modelDir: join(directory, "none"), steps: 1 };
    this.#recipe = recipeOf(workload, directory, run);
    this.#built = buildModel(this.#recipe, createTranslationTask(this.#recipe));
    const { model, quant } = this.#built;
    assignInitialWeights(model, directory);
    if (quant !== null) {
      const batches = this.#batches.slice(0, quant.calibrateBatches);
      calibrateModel(model, { batches, only: null });
    }
    const { beta_1: beta1, beta_2: beta2, epsilon } = this.#recipe.optimizer;
    this.#optimizer = new Adam(model.variables, { beta1, beta2, epsilon });
    const { labelSmoothing, clipNorm } = workload;
    const criterion = { per: "token", labelSmoothing } as const;
    const setup = { model, quant, criterion, clipNorm, clipValue: null };
    this.#trainStep = new TrainStep(
      { ...setup, trained: model.variables, optimizer: this.#optimizer },
      options,
    );
  }

  /** One step on batch `i`. @returns the task loss before it */
  async step(i: number): Promise<number> {
    const rates = {
      weights: LEARNING_RATE,
      clips: this.#built.quant?.clipLearningRate ?? 0,
    };
    const dropout = new StepDropout(this.#recipe.run.seed, this.#steps++);
    return (await this.#trainStep.run([this.#batches[i]!], dropout, rates)).taskLoss;
  }
}
