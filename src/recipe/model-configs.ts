/**
 * model_configs.yml: what a model directory says about its model. Ours is complete, has a version,
 * and names vocabulary and codes by paths relative to itself; NeurST's own file is read as well.
 */
import { existsSync, readFileSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { writeFileAtomic } from "../data/atomic-file.ts";
import { readTextFile } from "../data/text-file.ts";
import { ConfigError, DataError } from "../errors.ts";
import { formatYaml, parseYaml } from "../formats/yaml.ts";
import type { Recipe } from "./schema.ts";

export const MODEL_CONFIGS_FILE = "model_configs.yml";
const SCHEMA_VERSION = 1;

/** The directories that `model_dir` names: several, separated by commas, are an ensemble. */
export function splitModelDirs(value: string): string[] {
  return value.split(",").filter((directory) => directory !== "");
}

/** The directory of a model that is given as a directory or as one of its files. */
export function modelDirectoryOf(path: string): string {
  return existsSync(path) && statSync(path).isFile() ? dirname(path) : path;
}

/** True if a directory holds a model's configuration. */
export function hasModelConfigs(directory: string): boolean {
  return existsSync(join(directory, MODEL_CONFIGS_FILE));
}

/**
 * Reads a directory's model_configs.yml.
 * @returns the document without its version
 * @throws {DataError} if there is none; {@link ConfigError} for a version from the future
 */
export function readModelConfigs(directory: string): Record<string, unknown> {
  const path = join(directory, MODEL_CONFIGS_FILE);
  if (!existsSync(path)) {
    throw new DataError(
      `${directory}: expected a model directory with ${MODEL_CONFIGS_FILE}, received ` +
        `${existsSync(directory) ? "a directory without it" : "no such directory"}. ` +
        `Give the directory of a trained model.`,
    );
  }
  const document = parseYaml(
    readTextFile(path, "the configuration of a model", "Check its permissions."),
    path,
  );
  if (typeof document !== "object" || document === null || Array.isArray(document)) {
    throw new DataError(`${path}: expected keys and values, received none. Restore the file.`);
  }
  const { schema_version: version, ...rest } = document as Record<string, unknown>;
  if (version !== undefined && version !== SCHEMA_VERSION) {
    throw new ConfigError(
      `${path}: expected schema_version ${SCHEMA_VERSION}, received ${JSON.stringify(version)}. ` +
        `Use the release that wrote the model, or a newer one.`,
    );
  }
  return rest;
}

/** What model_configs.yml records of a recipe. */
export type ModelRecipe = Pick<
  Recipe,
  "run" | "model" | "task" | "src_data_pipeline" | "trg_data_pipeline"
>;

/** What model_configs.yml says of the model itself. */
export interface ModelIdentity {
  readonly className: string;
  /** Complete. */
  readonly params: Readonly<Record<string, unknown>>;
}

/**
 * The files that make a model directory complete beside its weights: model_configs.yml, and copies
 * of the vocabularies and codes that it names. Equal contents share one copy; where two different
 * files have one name, the target's gets `trg.` before it.
 */
export function modelConfigFiles(
  recipe: ModelRecipe,
  model: ModelIdentity,
): Record<string, Uint8Array | string> {
  const { run, task, src_data_pipeline: source, trg_data_pipeline: target } = recipe;
  const files = new Map<string, Uint8Array>();
  const document = {
    schema_version: SCHEMA_VERSION,
    "model.class": model.className,
    "model.params": sorted(model.params),
    "task.class": "Translation",
    "task.params": {
      ...pipelineEntry("src_data_pipeline", source, files),
      target_begin_of_sentence: task.target_begin_of_sentence,
      ...pipelineEntry("trg_data_pipeline", target, files),
    },
    enable_quant: run.enable_quant,
    ...(run.enable_quant ? { quant_params: sorted(run.quant_params ?? {}) } : {}),
  };
  return {
    ...Object.fromEntries(files),
    [MODEL_CONFIGS_FILE]: formatYaml(document),
  };
}

/** Writes {@link modelConfigFiles} into a directory; files with the same content stay untouched. */
export function writeModelConfigs(
  directory: string,
  recipe: ModelRecipe,
  model: ModelIdentity,
): void {
  for (const [name, content] of Object.entries(modelConfigFiles(recipe, model))) {
    const path = join(directory, name);
    const isSame = existsSync(path) && readFileSync(path).equals(Buffer.from(content));
    if (!isSame) writeFileAtomic(path, content);
  }
}

function pipelineEntry(
  key: string,
  pipeline: Recipe["src_data_pipeline"],
  files: Map<string, Uint8Array>,
): Record<string, unknown> {
  if (pipeline === null) return {};
  const { class: className, ...params } = pipeline;
  const codes = params.subtokenizer_codes;
  return {
    [`${key}.class`]: className,
    [`${key}.params`]: sorted({
      ...params,
      vocab_path: addCopy(files, params.vocab_path),
      ...(codes === undefined ? {} : { subtokenizer_codes: addCopy(files, codes) }),
    }),
  };
}

/** Adds a file's content under its own name, or a free one. @returns the name */
function addCopy(files: Map<string, Uint8Array>, path: string): string {
  const content = readFileSync(path);
  let name = basename(path);
  while (files.has(name) && !content.equals(files.get(name)!)) name = `trg.${name}`;
  files.set(name, content);
  return name;
}

function sorted(record: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const entries = Object.entries(record).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}
