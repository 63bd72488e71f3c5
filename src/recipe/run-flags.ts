/** The recipe as command-line flags: every key, and the spellings of its section. */
import { z } from "zod";
import { jsonSchemaOf, valueKind } from "./expected-text.ts";
import { NO_EFFECT } from "./no-effect.ts";
import { REFUSED_KEYS } from "./refused-keys.ts";
import {
  KEY_ALIASES,
  ownerOf,
  schemaOf,
  SECTION_NAMES,
  sectionOf,
  type SectionName,
} from "./schema.ts";
import { paramNames, type Section } from "./section.ts";

/**
 * Flags of `run_exp`, all optional, by name: bare keys, `X`, `X.params`; and, not listed in the
 * help text, `X.class`, `X.key`, aliases, and NeurST's keys that have no effect or are refused.
 */
export function runFlags(): Record<string, z.ZodType> {
  const flags: Record<string, z.ZodType> = {};
  for (const name of SECTION_NAMES) {
    const section = sectionOf(name);
    if (name !== "run") Object.assign(flags, sectionFlags(name, section));
    for (const key of paramNames(section)) {
      const schema = optional(variantsOf(name, key), titleOf(name, section));
      if (ownerOf(key) === name) flags[key] = schema;
      if (name !== "run") flags[`${name}.${key}`] = schema.meta({ ...schema.meta(), hidden: true });
    }
  }
  for (const [alias, key] of KEY_ALIASES) {
    const schema = flags[key]!;
    const hidden = schema.meta({ ...schema.meta(), hidden: true });
    flags[alias] = hidden;
    flags[`${ownerOf(key)!}.${alias}`] = hidden;
  }
  // NeurST's other keys, so that the answer to them says why.
  for (const key of [...Object.keys(NO_EFFECT), ...Object.keys(REFUSED_KEYS)]) {
    flags[key] ??= z.unknown().optional().meta({ hidden: true });
  }
  return flags;
}

function sectionFlags(name: string, section: Section): Record<string, z.ZodType> {
  const classes = Object.keys(section.classes);
  const group = titleOf(name, section);
  const description = `${section.summary}: ${classes.join(", ")}`;
  const meta = { description, group, defaultText: section.defaultClass };
  const params = z.record(z.string(), z.unknown()).optional();
  return {
    [name]: z.string().optional().meta(meta),
    [`${name}.class`]: z
      .string()
      .optional()
      .meta({ ...meta, hidden: true }),
    [`${name}.params`]: params.meta({ description: "its parameters as YAML", group }),
  };
}

/** The schemas of a key in the classes of its section that have it. */
function variantsOf(name: SectionName, key: string): z.ZodType[] {
  return Object.keys(sectionOf(name).classes)
    .map((className) => schemaOf(name, key, className))
    .filter((schema) => schema !== undefined);
}

/** A key's schema without its default, which resolving fills in; the default stays in the text. */
function optional(variants: readonly z.ZodType[], group: string): z.ZodType {
  const schema = variants[0]!;
  const { default: value, description = "", path } = jsonSchemaOf(schema);
  const { defaultText: written } = (schema.meta() ?? {}) as { defaultText?: string };
  const isOne =
    new Set(variants.map((variant) => JSON.stringify(jsonSchemaOf(variant)))).size === 1;
  // Mappings, and keys that classes declare differently, are checked where the recipe is resolved.
  const isLater = !isOne || valueKind(schema) === "yaml";
  const bare = isLater ? z.unknown() : withoutDefault(schema);
  const shown = value === undefined ? written : JSON.stringify(value);
  const defaultText = shown === undefined || !isOne ? {} : { defaultText: shown };
  const pathMark = path === true ? { path } : {};
  return bare.optional().meta({ description, group, ...defaultText, ...pathMark });
}

function withoutDefault(schema: z.ZodType): z.ZodType {
  return schema instanceof z.ZodDefault ? (schema.unwrap() as z.ZodType) : schema;
}

function titleOf(name: string, section: Section): string {
  return name === "run" ? "Run:" : `${name} (${section.summary}):`;
}
