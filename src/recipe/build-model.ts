/** A recipe's model, with initial weights. */
import { ConfigError } from "../errors.ts";
import { createModel } from "../models/catalogue.ts";
import type { Seq2SeqModel } from "../models/model.ts";

import { resolveQuantConfig, type QuantConfig } from "../quant/config.ts";
import type { Recipe } from "./schema.ts";
import type { TranslationTask } from "./translation-task.ts";

/** A model and the settings that it was built with. */
export interface BuiltModel {
  readonly model: Seq2SeqModel;
  /** Null for a float model. */
  readonly quant: QuantConfig | null;
}

/**
 * Builds the model of a recipe. The caller disposes it.
 * @throws {ConfigError} if the recipe names no architecture, or one that does not fit together
 */
export function buildModel(
  recipe: Pick<Recipe, "run" | "model">,
  task: TranslationTask,
): BuiltModel {
  const { run, model: settings } = recipe;
  if (settings === null) {
    throw new ConfigError(
      "model: expected an architecture, received none. Give --hparams_set, such as " +
        "transformer_base, or a model_dir or pretrain_model that has one.",
    );
  }
  const { class: className, ...params } = settings;
  const quant = run.enable_quant ? resolveQuantConfig(run.quant_params ?? {}) : null;
  const model = createModel(className, {
    params,
    sourceVocabSize: task.source.vocabulary.size,
    targetVocabSize: task.target.vocabulary.size,
    quantConfig: quant,
    seed: run.seed,
  });
  return { model, quant };
}
