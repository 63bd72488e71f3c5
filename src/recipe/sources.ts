/** The sources of a recipe: flags, configuration files, hparams sets, model directories. */
import { dirname, join, resolve } from "node:path";
import { readTextFile } from "../data/text-file.ts";
import { hparamsSet } from "../models/hparams.ts";
import { checkArchitecture } from "./architecture.ts";
import { jsonSchemaOf } from "./expected-text.ts";
import { configYaml } from "./flags.ts";
import {
  hasModelConfigs,
  MODEL_CONFIGS_FILE,
  modelDirectoryOf,
  readModelConfigs,
  splitModelDirs,
} from "./model-configs.ts";
import { resolveSources, type ResolvedRecipe, type Source } from "./resolve.ts";
import { schemaOf, type SectionName } from "./schema.ts";
import { readSettings, type Setting, type Settings } from "./spellings.ts";

/** What a recipe is made from. */
export interface RecipeInputs {
  /** Configuration files, weakest first. */
  readonly configPaths?: readonly string[];
  /** Flags or options by name, in any spelling of spellings.ts. */
  readonly flags?: Readonly<Record<string, unknown>>;
}

/**
 * Reads every source and resolves the recipe. Relative paths in a file are relative to that file,
 * those in flags to the working directory.
 * @throws {ConfigError} where an existing model's architecture differs from what is asked for
 */
export function resolveRecipe({ configPaths = [], flags = {} }: RecipeInputs): ResolvedRecipe {
  const explicit = [...configPaths.map(configSource), flagsSource(flags)];
  const hparamsName = lastText(explicit, "run", "hparams_set");
  if (hparamsName !== undefined) explicit.unshift(hparamsSource(hparamsName));
  const existing: Source[] = [];
  const pretrained = lastText(explicit, "entry", "pretrain_model");
  if (pretrained !== undefined) existing.push(pretrainedSource(pretrained));
  const model = lastText(explicit, "run", "model_dir");
  // Of an ensemble the first model's configuration counts.
  const [first] = model === undefined ? [] : splitModelDirs(model);
  const modelDir = first === undefined ? undefined : modelDirectoryOf(first);
  if (modelDir !== undefined && hasModelConfigs(modelDir)) existing.push(modelSource(modelDir));
  existing.forEach((source, i) => {
    checkArchitecture(source, [...existing.slice(i + 1), ...explicit]);
  });
  return resolveSources([...existing, ...explicit]);
}

/**
 * The recipe that a model alone gives.
 * @param path its directory or one of its files
 * @param flags settings that go before the model's own
 * @throws {DataError} if there is no model_configs.yml
 */
export function recipeOfModel(
  path: string,
  flags: Readonly<Record<string, unknown>> = {},
): ResolvedRecipe {
  readModelConfigs(modelDirectoryOf(path));
  return resolveRecipe({ flags: { ...flags, model_dir: path } });
}

function configSource(path: string): Source {
  const text = readTextFile(path, "a configuration file", "Check --config_paths.");
  const document = configYaml(text, path);
  const settings = readSettings(document, (spelling) =>
    spelling === "" ? path : `${path}: ${spelling}`,
  );
  return { name: path, ...withPathsFrom(dirname(resolve(path)), settings) };
}

function flagsSource(flags: Readonly<Record<string, unknown>>): Source {
  const settings = readSettings(flags, (spelling) => (spelling === "" ? "flags" : `--${spelling}`));
  return { name: "flags", ...withPathsFrom(process.cwd(), settings) };
}

function hparamsSource(name: string): Source {
  const source = `hparams_set ${name}`;
  return {
    name: source,
    ...readSettings(hparamsSet(name), (spelling) => `${source}: ${spelling}`),
  };
}

function modelSource(directory: string): Source {
  const path = join(directory, MODEL_CONFIGS_FILE);
  const settings = readSettings(readModelConfigs(directory), (spelling) => `${path}: ${spelling}`);
  return { name: path, ...withPathsFrom(resolve(directory), settings) };
}

/** Architecture and text of the pretrained model; whether it was quantized is its own affair. */
function pretrainedSource(directory: string): Source {
  const { settings, ...rest } = modelSource(directory);
  return { ...rest, settings: settings.filter(({ section }) => section !== "run") };
}

function withPathsFrom(base: string, { settings, notes }: Settings): Settings {
  return { notes, settings: settings.map((setting) => withPathFrom(base, setting)) };
}

function withPathFrom(base: string, setting: Setting): Setting {
  const schema = schemaOf(setting.section, setting.key);
  if (typeof setting.value !== "string" || schema === undefined) return setting;
  if (jsonSchemaOf(schema).path !== true) return setting;
  const isModelDir = setting.section === "run" && setting.key === "model_dir";
  const paths = isModelDir ? splitModelDirs(setting.value) : [setting.value];
  return { ...setting, value: paths.map((path) => resolve(base, path)).join(",") };
}

/** The text that the strongest source gives a key, if any does. */
function lastText(
  sources: readonly Source[],
  section: SectionName,
  key: string,
): string | undefined {
  const found = sources
    .flatMap((source) => source.settings)
    .findLast((s) => s.section === section && s.key === key);
  return typeof found?.value === "string" ? found.value : undefined;
}
