/**
 * model_configs.yml: what a model directory says about its model. Ours is complete, has a version,
 * and names vocabulary and codes by paths relative to itself; NeurST's own file is read as well.
 */
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { basename, join, relative, resolve } from "node:path";
import { writeFileAtomic } from "../data/atomic-file.ts";
import { ConfigError, DataError } from "../errors.ts";
import { formatYaml, parseYaml } from "../formats/yaml.ts";
import type { Recipe } from "./schema.ts";

export const MODEL_CONFIGS_FILE = "model_configs.yml";
const SCHEMA_VERSION = 1;

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
  const document = parseYaml(readFileSync(path, "utf8"), path);
  if (typeof document !== "object" || document === null || Array.isArray(document)) {
    throw new ConfigError(`${path}: expected keys and values, received none. Restore the file.`);
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

/**
 * Writes model_configs.yml, and copies the vocabulary and codes of both pipelines beside it.
 * Equal contents share one copy; different files of one name get `.src` and `.trg` in theirs.
 * @param modelParams the model's complete parameters
 */
export function writeModelConfigs(
  directory: string,
  recipe: ModelRecipe,
  model: { readonly className: string; readonly params: Readonly<Record<string, unknown>> },
): void {
  mkdirSync(directory, { recursive: true });
  const { run, task, src_data_pipeline: source, trg_data_pipeline: target } = recipe;
  const copies = new FileCopies(directory);
  const document = {
    schema_version: SCHEMA_VERSION,
    "model.class": model.className,
    "model.params": sorted(model.params),
    "task.class": "Translation",
    "task.params": {
      ...pipelineEntry("src_data_pipeline", source, copies, "src"),
      target_begin_of_sentence: task.target_begin_of_sentence,
      ...pipelineEntry("trg_data_pipeline", target, copies, "trg"),
    },
    enable_quant: run.enable_quant,
    ...(run.enable_quant ? { quant_params: run.quant_params ?? {} } : {}),
  };
  writeFileAtomic(join(directory, MODEL_CONFIGS_FILE), formatYaml(document));
}

function pipelineEntry(
  key: string,
  pipeline: Recipe["src_data_pipeline"],
  copies: FileCopies,
  side: "src" | "trg",
): Record<string, unknown> {
  if (pipeline === null) return {};
  const { class: className, ...params } = pipeline;
  const codes = params.subtokenizer_codes;
  return {
    [`${key}.class`]: className,
    [`${key}.params`]: sorted({
      ...params,
      vocab_path: copies.copy(params.vocab_path, side),
      ...(codes === undefined ? {} : { subtokenizer_codes: copies.copy(codes, side) }),
    }),
  };
}

/** Copies of files in one directory, each under a name of its own. */
class FileCopies {
  readonly #directory: string;
  readonly #origins = new Map<string, string>();

  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Copies a file unless it is there already. @returns its path relative to the directory */
  copy(path: string, side: "src" | "trg"): string {
    const from = resolve(path);
    const own = relative(resolve(this.#directory), from);
    const name = own === basename(from) ? own : this.#freeName(from, side);
    this.#origins.set(name, from);
    const to = join(resolve(this.#directory), name);
    if (from !== to && !sameContent(from, to)) writeFileAtomic(to, readFileSync(from));
    return name;
  }

  #freeName(from: string, side: "src" | "trg"): string {
    const name = basename(from);
    const taken = this.#origins.get(name);
    return taken === undefined || taken === from || sameContent(taken, from)
      ? name
      : `${side}.${name}`;
  }
}

function sameContent(a: string, b: string): boolean {
  return existsSync(b) && readFileSync(a).equals(readFileSync(b));
}

function sorted(record: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const entries = Object.entries(record).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}
