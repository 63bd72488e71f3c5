/** Values of command-line flags: text to what a schema wants. */
import { z } from "zod";
import { ConfigError, FormatError } from "../errors.ts";
import { parseYaml, type YamlValue } from "../formats/yaml.ts";
import { expectedText, valueKind } from "./expected-text.ts";

/** A flag that takes names separated by commas, or a YAML list. */
export const commaList = z.preprocess(
  (value) => (typeof value === "string" ? splitList(value) : value),
  z.array(z.string().min(1)).min(1),
);

/**
 * The value that a flag's text spells: text stays as it is where the schema wants text; numbers and
 * true/false are read strictly; lists and mappings are YAML, a list also as `a,b,c`.
 * @param where the flag, in messages
 * @throws {ConfigError} for text that spells no such value
 */
export function flagValue(schema: z.ZodType, text: string, where: string): unknown {
  switch (valueKind(schema)) {
    case "string":
      return text;
    case "number": {
      const value = Number(text);
      if (text.trim() !== "" && !Number.isNaN(value)) return value;
      throw wrongText(schema, text, where);
    }
    case "boolean": {
      const lower = text.toLowerCase();
      if (["true", "yes", "1"].includes(lower)) return true;
      if (["false", "no", "0"].includes(lower)) return false;
      throw wrongText(schema, text, where);
    }
    case "list":
      return text.trimStart().startsWith("[")
        ? configYaml(text, where)
        : splitList(text).map((part) => configYaml(part, where));
    case "yaml":
      return configYaml(text, where);
  }
}

/**
 * YAML of a flag or configuration file.
 * @throws {ConfigError} for what is not YAML, or not safe to read
 */
export function configYaml(text: string, where: string): YamlValue {
  try {
    return parseYaml(text, where);
  } catch (error) {
    if (error instanceof FormatError) throw new ConfigError(error.message, { cause: error });
    throw error;
  }
}

function splitList(text: string): string[] {
  return text
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "");
}

function wrongText(schema: z.ZodType, text: string, where: string): ConfigError {
  const expected = expectedText(schema);
  return new ConfigError(
    `${where}: expected ${expected}, received ${JSON.stringify(text)}. Write ${where}=<value>.`,
  );
}
