/** A model directory that holds the mean of several checkpoints. */
import { existsSync, readdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { CheckpointError } from "../errors.ts";
import { averageWeights } from "../train/average.ts";
import { readIndex } from "../train/checkpoint-index.ts";
import { CheckpointStore, loadCheckpoint, weightsPath } from "../train/checkpoint-store.ts";
import { hasModelConfigs, writeModelConfigs } from "./model-configs.ts";
import { recipeOfModel } from "./sources.ts";

/** What was averaged. */
export interface AverageReport {
  readonly output: string;
  readonly checkpoints: readonly string[];
  readonly tensors: number;
}

/**
 * Averages checkpoints into a new model directory; configuration, vocabulary and codes come from
 * the first one.
 * @param inputs checkpoint files, or directories, of which every listed checkpoint counts
 * @throws {CheckpointError} if the checkpoints do not fit together, or the output is not empty
 */
export function averageCheckpoints(inputs: readonly string[], output: string): AverageReport {
  const paths = inputs.flatMap(checkpointFiles);
  const loaded = paths.map(loadCheckpoint);
  const mean = averageWeights(loaded.map(({ weights }) => weights));
  if (existsSync(output) && readdirSync(output).length > 0) {
    throw new CheckpointError(
      `${output}: expected a new or empty directory, received one with files. Choose another.`,
    );
  }
  const first = dirname(paths[0]!);
  const step = Math.max(...loaded.map((checkpoint) => checkpoint.step ?? 0));
  if (hasModelConfigs(first)) {
    const { recipe } = recipeOfModel(first);
    const { class: className, ...params } = recipe.model ?? { class: "Transformer" };
    writeModelConfigs(output, recipe, { className, params });
  }
  const store = CheckpointStore.open(output);
  const entry = { name: `ckpt-${step}`, step };
  store.write(entry, mean);
  store.commit([entry]);
  return { output, checkpoints: paths, tensors: mean.size };
}

function checkpointFiles(input: string): string[] {
  if (!existsSync(input) || !statSync(input).isDirectory()) return [input];
  const listed = readIndex(input)?.checkpoints.map(({ name }) => weightsPath(input, name)) ?? [];
  return listed.length > 0 ? listed : [join(input, "model.safetensors")];
}
