/** Overrides files: ours, and Distiller's as they stand. */
import { ConfigError, UnknownNameError } from "../errors.ts";
import { parseYaml, type YamlValue } from "../formats/yaml.ts";
import { type QuantOverride, quantParamsSchema, resolveQuantConfig } from "../quant/config.ts";
import {
  DISTILLER_KEYS,
  type DistillerEntry,
  parseDistillerSettings,
  resolveDistiller,
  type ResolvedOverrides,
} from "./distiller-overrides.ts";
import type { Operation } from "./operations.ts";

/** Whose keys and patterns a file has. */
export type OverridesDialect = "tfjs-qat" | "distiller";

/** A file that has been read; its patterns are not compared with a model yet. */
export type OverridesFile =
  | { readonly dialect: "tfjs-qat"; readonly overrides: readonly QuantOverride[] }
  | {
      readonly dialect: "distiller";
      readonly entries: readonly DistillerEntry[];
      readonly where: string;
    };

const OUR_KEYS = Object.keys(
  (quantParamsSchema.shape.overrides.unwrap() as unknown as ListSchema).element.shape,
);
interface ListSchema {
  readonly element: { readonly shape: Record<string, unknown> };
}

/**
 * Reads an overrides file. Ours is a list of mappings with `match`, such a list under `overrides`, or
 * a mapping from globs to settings; Distiller's a mapping from regular expressions to settings. The
 * first match wins: for each key in ours, wholly in Distiller's.
 * @param where names the file in messages
 * @param dialect null: told by the keys
 * @throws {ConfigError} for what is neither, and for unknown keys
 */
export function parseOverrides(
  text: string,
  where: string,
  dialect: OverridesDialect | null = null,
): OverridesFile {
  const document = parseYaml(text, where);
  const content = listOf(document) ?? document;
  if (Array.isArray(content)) return ourFile(content, where);
  if (!isMapping(content)) {
    throw new ConfigError(
      `${where}: expected patterns with settings, received ` +
        `${content === null ? "nothing" : JSON.stringify(content)}. Give a mapping or a list.`,
    );
  }
  if ((dialect ?? dialectOf(content, where)) === "tfjs-qat") {
    const list = Object.entries(content).map(([match, settings]) => ({
      match,
      ...(isMapping(settings) ? settings : {}),
    }));
    return ourFile(list, where);
  }
  const entries = Object.entries(content).map(([pattern, settings]) => ({
    pattern,
    settings: parseDistillerSettings(settings, `${where}, "${pattern}"`),
  }));
  return { dialect: "distiller", entries, where };
}

/**
 * The overrides that a file means for a model.
 * @param operations of the model, see operations.ts
 * @throws {ConfigError} for patterns of Distiller's that match nothing; ours are checked when the
 *   model is built
 */
export function resolveOverrides(
  file: OverridesFile,
  operations: readonly Operation[],
): ResolvedOverrides {
  return file.dialect === "tfjs-qat"
    ? { overrides: file.overrides, notes: [] }
    : resolveDistiller(file.entries, operations, file.where);
}

/** The list under `overrides`, where that is all there is. */
function listOf(document: YamlValue): YamlValue[] | null {
  if (!isMapping(document) || Object.keys(document).join() !== "overrides") return null;
  const { overrides } = document;
  return Array.isArray(overrides) ? overrides : null;
}

function ourFile(list: readonly unknown[], where: string): OverridesFile {
  try {
    const { overrides } = resolveQuantConfig({ overrides: list });
    return { dialect: "tfjs-qat", overrides };
  } catch (error) {
    if (!(error instanceof ConfigError) && !(error instanceof Error)) throw error;
    throw new ConfigError(`${where}: ${error.message}`, { cause: error });
  }
}

function dialectOf(content: Record<string, YamlValue>, where: string): OverridesDialect {
  const keys = Object.values(content).flatMap((settings) =>
    isMapping(settings) ? Object.keys(settings) : [],
  );
  const ours = keys.find((key) => OUR_KEYS.includes(key));
  const theirs = keys.find((key) => DISTILLER_KEYS.includes(key));
  if (ours !== undefined && theirs !== undefined) {
    throw new ConfigError(
      `${where}: expected the keys of one dialect, received "${ours}" and "${theirs}". ` +
        "Write quant_… keys with globs, or Distiller's keys with regular expressions.",
    );
  }
  if (ours !== undefined) return "tfjs-qat";
  if (theirs !== undefined) return "distiller";
  const [received] = keys;
  if (received !== undefined) {
    const known = [...OUR_KEYS, ...DISTILLER_KEYS];
    throw new UnknownNameError(where, "key", received, known, `Use ${known.join(", ")}.`);
  }
  throw new ConfigError(
    `${where}: expected patterns with settings, received patterns alone. Give each a mapping.`,
  );
}

function isMapping(value: unknown): value is Record<string, YamlValue> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
