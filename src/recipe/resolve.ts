/**
 * The recipe of a run from its sources, weakest first: defaults, the pretrained model's and the
 * model directory's model_configs.yml, hparams_set, configuration files left to right, flags.
 * Every value remembers where it came from.
 */
import { ConfigError, UnknownNameError } from "../errors.ts";
import { quantParamsSchema } from "../quant/config.ts";
import { expectedText, parseValue } from "./expected-text.ts";
import {
  fullKey,
  SECTION_NAMES,
  schemaOf,
  sectionOf,
  type Recipe,
  type SectionName,
} from "./schema.ts";
import type { Setting, Settings } from "./spellings.ts";

/** One source of settings. */
export interface Source extends Settings {
  /** As reports name it: a file's path, `flags`, `hparams_set transformer_base`. */
  readonly name: string;
}

/** A complete recipe and where each of its values came from. */
export interface ResolvedRecipe {
  readonly recipe: Recipe;
  /** Full key (`entry.train_steps`, `model_dir`) → source name; `default …` for defaults. */
  readonly origins: ReadonlyMap<string, string>;
  /** One line for each key that is accepted without effect. */
  readonly notes: readonly string[];
}

/** A setting with its source and the source's strength. */
interface Ranked extends Setting {
  readonly source: string;
  readonly rank: number;
}

/**
 * Merges sources into a complete, frozen recipe.
 * @param sources weakest first
 * @throws {ConfigError} where a value is wrong or two spellings in one source disagree;
 *   {@link UnknownNameError} where a class does not have a parameter that is set for it
 */
export function resolveSources(sources: readonly Source[]): ResolvedRecipe {
  const origins = new Map<string, string>();
  const recipe: Record<string, unknown> = {};
  for (const section of SECTION_NAMES) {
    recipe[section] = resolveSection(section, ranked(sources, section), origins);
  }
  completeValidator(recipe, origins);
  const notes = [...sources.flatMap((source) => source.notes), ...idleQuantParams(recipe, sources)];
  return Object.freeze({ recipe: Object.freeze(recipe) as Recipe, origins, notes });
}

/** Says where `quant_params` does nothing because `enable_quant` is not set. */
function idleQuantParams(recipe: Record<string, unknown>, sources: readonly Source[]): string[] {
  if ((recipe as Pick<Recipe, "run">).run.enable_quant) return [];
  const given = sources
    .flatMap(({ settings }) => settings)
    .findLast(({ section, key }) => section === "run" && key === "quant_params");
  const isEmpty = given === undefined || sameValue(withoutNulls(given.value), {});
  return isEmpty ? [] : [`${given.where} has no effect here: enable_quant is not set.`];
}

function ranked(sources: readonly Source[], section: SectionName): Ranked[] {
  return sources.flatMap((source, rank) =>
    onceEach(
      source.settings.filter((s) => s.section === section),
      source.name,
    ).map((setting) => ({
      ...setting,
      source: source.name,
      rank,
    })),
  );
}

/** One setting for each key of one source; equal repeats are merged. */
function onceEach(settings: readonly Setting[], source: string): Setting[] {
  const byKey = new Map<string, Setting>();
  for (const setting of settings) {
    const earlier = byKey.get(setting.key);
    if (earlier !== undefined && !sameValue(earlier.value, setting.value)) {
      throw new ConfigError(
        `${source}: expected one value for ${setting.key}, received ` +
          `${JSON.stringify(earlier.value)} (${earlier.where}) and ` +
          `${JSON.stringify(setting.value)} (${setting.where}). Remove one of them.`,
      );
    }
    byKey.set(setting.key, setting);
  }
  return [...byKey.values()];
}

function resolveSection(
  section: SectionName,
  settings: readonly Ranked[],
  origins: Map<string, string>,
): unknown {
  const definition = sectionOf(section);
  if (settings.length === 0 && definition.optional === true) return null;
  const classSetting = settings.findLast((s) => s.key === "class");
  const className = (classSetting?.value as string | undefined) ?? definition.defaultClass;
  if (section !== "run") origins.set(fullKey(section, "class"), classSetting?.source ?? "default");
  const from = replacedBelow(settings, definition.defaultClass);
  const params = settings.filter((s) => s.key !== "class" && s.rank >= from && fits(s, className));
  const values: Record<string, unknown> = { class: className };
  for (const key of Object.keys(definition.classes[className]!.params.shape)) {
    const value = resolveKey(section, key, className, params, origins);
    if (value !== undefined) values[key] = value;
  }
  if (values.enable_quant === true) completeQuantParams(values, origins);
  return Object.freeze(values);
}

/** The rank of the source that changes the class last: weaker parameters belong to another class. */
function replacedBelow(settings: readonly Ranked[], defaultClass: string): number {
  let className: unknown = defaultClass;
  let rank = 0;
  for (const setting of settings.filter((s) => s.key === "class")) {
    if (setting.value !== className) rank = setting.rank;
    className = setting.value;
  }
  return rank;
}

/** True; throws for a parameter that the class does not have. */
function fits(setting: Ranked, className: string): boolean {
  if (schemaOf(setting.section, setting.key, className) !== undefined) return true;
  const known = Object.keys(sectionOf(setting.section).classes[className]!.params.shape);
  const where = `${setting.where} (${setting.section} is ${className})`;
  throw new UnknownNameError(where, "key", setting.key, known);
}

function resolveKey(
  section: SectionName,
  key: string,
  className: string,
  settings: readonly Ranked[],
  origins: Map<string, string>,
): unknown {
  const schema = schemaOf(section, key, className)!;
  const own = settings.filter((s) => s.key === key);
  const last = own.at(-1);
  const full = fullKey(section, key);
  if (last === undefined) {
    const filled = schema.safeParse(undefined);
    if (!filled.success) {
      throw new ConfigError(
        `${full}: expected ${expectedText(schema)}, received nothing. Set "${full}".`,
      );
    }
    if (filled.data !== undefined) origins.set(full, "default");
    return filled.data;
  }
  if (key === "quant_params") return mergedParams(own, schema, origins);
  origins.set(full, last.source);
  return parseValue(schema, last.value, last.where);
}

/** `quant_params`: each key from its strongest source. Each source is checked by itself first. */
function mergedParams(
  settings: readonly Ranked[],
  schema: NonNullable<ReturnType<typeof schemaOf>>,
  origins: Map<string, string>,
): unknown {
  const merged: Record<string, unknown> = {};
  for (const { source, where, value } of settings) {
    const given = withoutNulls(value);
    parseValue(schema, given, where);
    for (const [key, inner] of Object.entries(given as Record<string, unknown>)) {
      merged[key] = inner;
      origins.set(`quant_params.${key}`, source);
    }
  }
  return Object.freeze(merged);
}

/** Fills in the defaults of `quant_params`, which a float run does without. */
function completeQuantParams(values: Record<string, unknown>, origins: Map<string, string>): void {
  const complete = quantParamsSchema.parse(values.quant_params ?? {});
  for (const key of Object.keys(complete)) {
    const full = `quant_params.${key}`;
    if (!origins.has(full)) origins.set(full, "default");
  }
  values.quant_params = Object.freeze(complete);
}

/**
 * A quantized run judges the calibrated model before its first step, unless told not to: what it
 * returns is then never worse than that model.
 */
function completeValidator(recipe: Record<string, unknown>, origins: Map<string, string>): void {
  const { run, validator } = recipe as Pick<Recipe, "run" | "validator">;
  const key = fullKey("validator", "eval_on_begin");
  if (validator === null || !run.enable_quant || origins.get(key) !== "default") return;
  recipe.validator = Object.freeze({ ...validator, eval_on_begin: true });
  origins.set(key, "default with enable_quant");
}

/** NeurST writes all-null `quant_params` for float models; null says nothing. */
function withoutNulls(value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).filter(([, inner]) => inner !== null));
}

/** Deep equality of plain values, by their JSON. */
export function sameValue(a: unknown, b: unknown): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
