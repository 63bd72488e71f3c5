/** A trained model from disk: a model directory, its best/, a checkpoint file, or an int8 export. */
import { statSync } from "node:fs";
import type { SpecialIds } from "../decode/decode-options.ts";
import { ConfigError, DataError } from "../errors.ts";
import { assignInt8 } from "../export/dequantized.ts";
import { isInt8Export, loadInt8 } from "../export/load-int8.ts";
import { assignWeights } from "../models/load-weights.ts";
import type { Seq2SeqModel } from "../models/model.ts";
import type { QuantConfig } from "../quant/config.ts";
import { loadCheckpoint } from "../train/checkpoint-store.ts";
import { buildModel } from "./build-model.ts";
import { modelDirectoryOf } from "./model-configs.ts";
import { checkSameVocabulary } from "./same-model.ts";
import type { Recipe } from "./schema.ts";
import { recipeOfModel } from "./sources.ts";
import { createTranslationTask, type TranslationTask } from "./translation-task.ts";

/** A trained model with what it takes to use it. */
export interface LoadedModel {
  readonly model: Seq2SeqModel;
  readonly task: TranslationTask;
  readonly recipe: Recipe;
  /** Null for a float model. */
  readonly quant: QuantConfig | null;
  readonly format: "float" | "quantized" | "int8";
  /** The file that the weights come from. */
  readonly weightsPath: string;
  /** Step of the checkpoint; null where the file does not say. */
  readonly step: number | null;
  /** Size on disk of the weights, and of quantization.json where there is one. */
  readonly bytes: number;
}

/**
 * Loads a model for evaluation. A backend must have been selected. The caller disposes the model.
 * @param path a model directory, a checkpoint file in one, or an int8 export
 * @param recipe settings to use in place of those of the model's own directory
 * @throws {ConfigError} if quantization is asked of a model without ranges; {@link DataError} if the
 *   recipe's vocabulary is not the model's
 */
export function loadModel(path: string, recipe?: Recipe): LoadedModel {
  const directory = modelDirectoryOf(path);
  const settings = recipe ?? recipeOfModel(directory).recipe;
  const task = createTranslationTask(settings);
  if (recipe !== undefined) checkSameVocabulary(directory, task);
  const { model, quant } = buildModel(settings, task);
  try {
    const source = isInt8Export(path)
      ? int8Into(model, path, task.special)
      : checkpointInto(model, path);
    return { model, task, recipe: settings, quant, ...source };
  } catch (error) {
    model.dispose();
    throw error;
  }
}

type WeightSource = Pick<LoadedModel, "format" | "weightsPath" | "step" | "bytes">;

function int8Into(model: Seq2SeqModel, path: string, special: SpecialIds): WeightSource {
  const { model: int8, bytes } = loadInt8(path);
  for (const name of ["unk", "bos", "eos"] as const) {
    const recorded = int8.record.vocabulary[name];
    if (recorded === special[name]) continue;
    throw new DataError(
      `${path}: expected ${name} to be ${recorded} as in quantization.json, received ` +
        `${special[name]} from the vocabulary. Use the vocabulary of this export.`,
    );
  }
  assignInt8(model, int8);
  return { format: "int8", weightsPath: path, step: null, bytes };
}

function checkpointInto(model: Seq2SeqModel, path: string): WeightSource {
  const checkpoint = loadCheckpoint(path);
  const missing = assignWeights(model, checkpoint.weights, checkpoint.path);
  if (missing.length > 0) {
    throw new ConfigError(
      `${checkpoint.path}: expected a quantized model, because enable_quant is set, received one ` +
        `without ${missing.length} ranges (${missing[0]!} …). Train it with --enable_quant first, ` +
        "quantize it after training, or leave --enable_quant out.",
    );
  }
  const isQuantized = model.layers()[0]?.quantConfig !== null;
  return {
    format: isQuantized ? "quantized" : "float",
    weightsPath: checkpoint.path,
    step: checkpoint.step,
    bytes: statSync(checkpoint.path).size,
  };
}
