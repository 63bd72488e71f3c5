/** First weights that programs share, as a file: they then have the same losses. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { selectBackend } from "../src/backends/select.ts";
import { readSafetensors, writeSafetensors, type SafeTensor } from "../src/formats/safetensors.ts";
import { assignWeights, type WeightArray } from "../src/models/load-weights.ts";
import type { Seq2SeqModel } from "../src/models/model.ts";
import { buildModel } from "../src/recipe/build-model.ts";
import { createTranslationTask } from "../src/recipe/translation-task.ts";
import { recipeOf, type AnyWorkload } from "./workloads.ts";

const FILE = "weights.safetensors";

/** Writes the weights that the workload's recipe starts from, under our names. Selects wasm. */
export async function writeInitialWeights(workload: AnyWorkload, directory: string): Promise<void> {
  await selectBackend("wasm");
  const run = { quantized: false, modelDir: join(directory, "none"), steps: 1 };
  const recipe = recipeOf(workload, directory, run);
  const { model } = buildModel(recipe, createTranslationTask(recipe));
  const tensors = Array.from(model.variables, ([name, variable]): [string, SafeTensor] => [
    name,
    { dtype: "F32", shape: variable.shape, data: variable.dataSync<"float32">() },
  ]);
  writeFileSync(join(directory, FILE), writeSafetensors(tensors));
  model.dispose();
}

/** Gives a model the weights of the directory's file, where there is one. */
export function assignInitialWeights(model: Seq2SeqModel, directory: string): void {
  const path = join(directory, FILE);
  if (!existsSync(path)) return;
  const { tensors } = readSafetensors(readFileSync(path), path);
  const weights = Array.from(tensors, ([name, { shape, data }]): [string, WeightArray] => [
    name,
    { shape, data: data as Float32Array },
  ]);
  assignWeights(model, new Map(weights), path);
}
