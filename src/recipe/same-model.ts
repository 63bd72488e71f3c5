/** Whether a run means the model that a directory holds: its vocabulary, its quantization. */
import { ConfigError, DataError } from "../errors.ts";
import { resolveQuantConfig, type QuantConfig } from "../quant/config.ts";
import type { Vocabulary } from "../text/vocabulary.ts";
import { hasModelConfigs, MODEL_CONFIGS_FILE } from "./model-configs.ts";
import { sameValue } from "./resolve.ts";
import { recipeOfModel } from "./sources.ts";
import { createTranslationTask, type TranslationTask } from "./translation-task.ts";

/**
 * Checks that a run's vocabularies are those that the model in `directory` was trained with: with
 * other tokens of the same number its weights would load and mean nothing.
 * @throws {DataError} naming the first token that differs
 */
export function checkSameVocabulary(directory: string, task: TranslationTask): void {
  if (!hasModelConfigs(directory)) return;
  const own = recipeOfModel(directory).recipe;
  if (own.src_data_pipeline === null || own.trg_data_pipeline === null) return;
  const trained = createTranslationTask(own);
  compare(directory, "source", trained.source.vocabulary, task.source.vocabulary);
  compare(directory, "target", trained.target.vocabulary, task.target.vocabulary);
}

function compare(directory: string, side: string, trained: Vocabulary, used: Vocabulary): void {
  const length = Math.max(trained.fileTokens.length, used.fileTokens.length);
  for (let id = 0; id < length; id++) {
    const [expected, received] = [trained.fileTokens[id], used.fileTokens[id]];
    if (expected === received) continue;
    throw new DataError(
      `${side} vocabulary, id ${id}: expected ${quoted(expected)} as in the vocabulary of ` +
        `${directory}, received ${quoted(received)}. Use the vocabulary that the model was trained with.`,
    );
  }
}

function quoted(token: string | undefined): string {
  return token === undefined ? "no token" : JSON.stringify(token);
}

/** Settings that decide what a checkpoint's clips mean. */
const FIXED = {
  quant_strategy: "strategy",
  quant_weight_bits: "weightBits",
  quant_act_bits: "actBits",
  quant_per_channel: "perChannel",
  quant_rounding: "rounding",
  overrides: "overrides",
} as const;

/**
 * Checks that a run which goes on in `directory` quantizes as before.
 * @throws {ConfigError} naming the setting
 */
export function checkSameQuantization(directory: string, quant: QuantConfig | null): void {
  if (!hasModelConfigs(directory)) return;
  const { run } = recipeOfModel(directory).recipe;
  const before = run.enable_quant ? resolveQuantConfig(run.quant_params ?? {}) : null;
  if ((before === null) !== (quant === null)) {
    throw different("enable_quant", directory, before !== null, quant !== null);
  }
  for (const [key, field] of Object.entries(FIXED)) {
    const [old, now] = [before?.[field], quant?.[field]];
    if (!sameValue(old, now)) throw different(`quant_params.${key}`, directory, old, now);
  }
}

function different(key: string, directory: string, before: unknown, now: unknown): ConfigError {
  return new ConfigError(
    `${key}: expected ${JSON.stringify(before)} as in ${directory}/${MODEL_CONFIGS_FILE}, received ` +
      `${JSON.stringify(now)}. Go on with the same quantization, or train in another model_dir.`,
  );
}
