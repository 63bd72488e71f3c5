/** What a run gives back. */
import { existsSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { ConfigError } from "../errors.ts";
import type { RunReporter } from "./run-reporter.ts";
import { splitModelDirs } from "./model-configs.ts";
import type { Recipe } from "./schema.ts";

/** How a run is watched and stopped. */
export interface RunContext {
  readonly reporter: RunReporter;
  /** Aborting it ends the run at the next good moment. */
  readonly signal?: AbortSignal | undefined;
  /** Seconds since some moment, for timings in the report. */
  readonly now: () => number;
}

/** The outcome of a run. */
export interface RunReport {
  /** Plain values for `--json`. */
  readonly json: Readonly<Record<string, unknown>>;
  /** A few lines for people. */
  readonly text: string;
  /** True where the signal ended the run. */
  readonly interrupted: boolean;
}

/** The model directory of a recipe. @throws {ConfigError} if there is none, or more than one */
export function requiredModelDir(recipe: Recipe): string {
  const directories = requiredModelDirs(recipe);
  if (directories.length === 1) return directories[0]!;
  throw new ConfigError(
    `model_dir: expected one directory, received ${directories.length}. Only the entry predict ` +
      "takes several, as an ensemble.",
  );
}

/** The model directories of a recipe: an ensemble if several. @throws {ConfigError} if none */
export function requiredModelDirs(recipe: Recipe): string[] {
  const directories = splitModelDirs(recipe.run.model_dir ?? "");
  if (directories.length > 0) return directories;
  throw new ConfigError(
    "model_dir: expected the directory of the model, received nothing. Give --model_dir.",
  );
}

/**
 * The directory that a run is to write, which may not exist yet.
 * @throws {ConfigError} if something on its path is a file
 */
export function writableModelDir(recipe: Recipe): string {
  const modelDir = requiredModelDir(recipe);
  for (let path = modelDir; path !== dirname(path); path = dirname(path)) {
    if (!existsSync(path)) continue;
    if (statSync(path).isDirectory()) break;
    throw new ConfigError(
      `model_dir: expected a directory or a new path, received the file ${path}. ` +
        "Give --model_dir another path.",
    );
  }
  return modelDir;
}

/** The data set of a recipe. @throws {ConfigError} if there is none */
export function requiredDataset(recipe: Recipe): NonNullable<Recipe["dataset"]> {
  if (recipe.dataset !== null) return recipe.dataset;
  throw new ConfigError(
    "dataset: expected data, received nothing. Give --src_file and --trg_file, or dataset.params " +
      "in a configuration file.",
  );
}

/** Sentences of a batch where a recipe evaluates or predicts. */
export function sentencesPerBatch({ task }: Recipe): number {
  return task.batch_by_tokens ? 32 : (task.batch_size_per_gpu ?? task.batch_size);
}
