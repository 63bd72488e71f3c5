/** YAML text to plain values and back: the only file that knows the YAML library. */
import { CORE_SCHEMA, dump, load, YAMLException } from "js-yaml";
import { FormatError } from "../errors.ts";

/** A value that our YAML files hold. Numbers include NaN and ±Infinity (`.nan`, `.inf`). */
export type YamlValue =
  string | number | boolean | null | YamlValue[] | { [key: string]: YamlValue };

const MAX_DEPTH = 100;
const MAX_ALIASES = 100;
/** Values after aliases are expanded; a few nested aliases can multiply into billions. */
const MAX_VALUES = 100_000;

/** Keys that would change or hide what every object inherits, and YAML 1.1's merge key. */
const REFUSED_KEYS = new Set(["__proto__", "constructor", "prototype", "<<"]);

/**
 * Parses one YAML 1.2 document in the core schema: `y`, `yes`, `on` and dates stay strings,
 * `1.0e-06` is a number. An empty text is null. Aliases are copied, so no two values are shared.
 * @param where names the source in messages, such as a file name or `--quant_params`
 * @throws {FormatError} for bad syntax, repeated keys, keys `__proto__`, `constructor`, `prototype`
 *   and `<<`, unknown tags, several documents, nesting deeper than 100, more than 100 aliases or
 *   100,000 expanded values
 */
export function parseYaml(text: string, where: string): YamlValue {
  if (text.split("\n").every((line) => /^\s*(#|$)/.test(line))) return null;
  let value: unknown;
  try {
    value = load(text, { schema: CORE_SCHEMA, maxDepth: MAX_DEPTH, maxAliases: MAX_ALIASES });
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    const mark = error instanceof YAMLException ? error.mark : undefined;
    const reason = error instanceof YAMLException ? error.reason : error.message;
    const line = mark === undefined ? "" : `, line ${mark.line + 1}`;
    throw new FormatError(
      `${where}${line}: expected YAML, received ${reason}. Correct the text there.`,
      { cause: error },
    );
  }
  const budget = { left: MAX_VALUES };
  return plainCopy(value, 0, (key, depth) => {
    if (--budget.left < 0) throw tooLarge(where, `more than ${MAX_VALUES} values`);
    if (depth > MAX_DEPTH) throw tooLarge(where, "a value inside itself");
    if (key !== null && REFUSED_KEYS.has(key)) throw refusedKey(text, where, key);
  });
}

/** A deep copy; `check` sees every item with its key (null in a list) and its depth. */
function plainCopy(
  value: unknown,
  depth: number,
  check: (key: string | null, depth: number) => void,
): YamlValue {
  if (Array.isArray(value)) {
    return value.map((item: unknown) => {
      check(null, depth);
      return plainCopy(item, depth + 1, check);
    });
  }
  if (typeof value !== "object" || value === null) return value as YamlValue;
  const copy: Record<string, YamlValue> = {};
  for (const [key, item] of Object.entries(value)) {
    check(key, depth);
    copy[key] = plainCopy(item, depth + 1, check);
  }
  return copy;
}

function tooLarge(where: string, received: string): FormatError {
  return new FormatError(
    `${where}: expected a document of at most ${MAX_VALUES} values, ${MAX_DEPTH} levels deep, ` +
      `received ${received}. Write aliased parts out, or split the file.`,
  );
}

function refusedKey(text: string, where: string, key: string): FormatError {
  const line = text.split("\n").findIndex((row) => row.includes(key)) + 1;
  const fix = key === "<<" ? "Write the merged keys out." : "Rename the key.";
  const at = line === 0 ? "" : `, line ${line}`;
  return new FormatError(`${where}${at}: expected plain keys, received "${key}". ${fix}`);
}

/**
 * YAML text of a value: block style, keys in the order given, long strings on one line, no aliases;
 * strings that YAML 1.1 readers would take for something else are quoted. Ends with a newline.
 * @throws {FormatError} for what YAML files of ours cannot hold, such as functions
 */
export function formatYaml(value: unknown): string {
  try {
    return dump(value, { lineWidth: -1, noRefs: true });
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    throw new FormatError(
      `YAML: expected strings, numbers, booleans, null, lists and maps, received ` +
        `${error.message}. Leave the value out.`,
      { cause: error },
    );
  }
}
