/** What a schema expects, in words, for messages and for the key reference. */
import { z } from "zod";
import { ConfigError, UnknownNameError } from "../errors.ts";

interface JsonSchema {
  readonly anyOf?: readonly JsonSchema[];
  readonly const?: unknown;
  readonly type?: "integer" | "number" | "boolean" | "array" | "object" | "string" | "null";
  readonly enum?: readonly unknown[];
  readonly items?: JsonSchema;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
  readonly minItems?: number;
  readonly minLength?: number;
  readonly default?: unknown;
  readonly description?: string;
  readonly path?: boolean;
  /** What to do about a wrong value, where that is not plain. */
  readonly hint?: string;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
}

/** Schemas do not change, and making one takes a third of a millisecond: enough to feel in --help. */
const made = new WeakMap<z.ZodType, JsonSchema>();

/** The JSON schema of a value, as far as this package's schemas use it. */
export function jsonSchemaOf(schema: z.ZodType): JsonSchema {
  const known = made.get(schema);
  if (known !== undefined) return known;
  const json = z.toJSONSchema(schema, { io: "input" }) as JsonSchema;
  made.set(schema, json);
  return json;
}

/** What kind of text spells a value of the schema. */
export type ValueKind = "string" | "number" | "boolean" | "list" | "yaml";

/** The kind of value that a schema wants. */
export function valueKind(schema: z.ZodType): ValueKind {
  const { type, anyOf, enum: choices } = jsonSchemaOf(schema);
  if (anyOf !== undefined || (type === undefined && choices === undefined)) return "yaml";
  if (type === "integer" || type === "number") return "number";
  if (type === "boolean") return "boolean";
  if (type === "array") return "list";
  return type === "object" ? "yaml" : "string";
}

/** Words for what a schema expects, such as `a whole number from 2 to 8`. */
export function expectedText(schema: z.ZodType): string {
  return wordsOf(jsonSchemaOf(schema));
}

function wordsOf(json: JsonSchema): string {
  if (json.enum !== undefined)
    return `one of ${json.enum.map((v) => JSON.stringify(v)).join(", ")}`;
  if (json.const !== undefined) return JSON.stringify(json.const);
  if (json.anyOf !== undefined) {
    return json.anyOf
      .filter(({ type }) => type !== "null")
      .map(wordsOf)
      .join(" or ");
  }
  switch (json.type) {
    case "integer":
      return `a whole number${boundsOf(json)}`;
    case "number":
      return `a number${boundsOf(json)}`;
    case "boolean":
      return "true or false";
    case "array":
      return `a list of ${json.items === undefined ? "values" : pluralOf(json.items)}`;
    case "object":
      return "keys and values";
    case "null":
      return "null";
    case "string":
    case undefined:
      break;
  }
  return json.path === true ? "a path" : "text";
}

function pluralOf(items: JsonSchema): string {
  if (items.type === "integer") return "whole numbers";
  if (items.type === "number") return "numbers";
  return items.type === "object" ? "mappings" : "texts";
}

function boundsOf(json: JsonSchema): string {
  const low =
    json.minimum !== undefined && json.minimum > Number.MIN_SAFE_INTEGER ? json.minimum : null;
  const high =
    json.maximum !== undefined && json.maximum < Number.MAX_SAFE_INTEGER ? json.maximum : null;
  const parts: string[] = [];
  if (low !== null && high !== null) return ` from ${low} to ${high}`;
  if (low !== null) parts.push(`of at least ${low}`);
  if (json.exclusiveMinimum !== undefined) parts.push(`above ${json.exclusiveMinimum}`);
  if (high !== null) parts.push(`of at most ${high}`);
  if (json.exclusiveMaximum !== undefined) parts.push(`below ${json.exclusiveMaximum}`);
  return parts.length === 0 ? "" : ` ${parts.join(" and ")}`;
}

/**
 * Checks one value.
 * @param where names the value in messages
 * @throws {ConfigError} or {@link UnknownNameError} that says what was expected
 */
export function parseValue<S extends z.ZodType>(
  schema: S,
  value: unknown,
  where: string,
): z.output<S> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const { issues } = parsed.error;
  const issue = issues.find(({ code }) => code === "unrecognized_keys") ?? issues[0]!;
  let inner: z.ZodType | undefined = schema;
  let received: unknown = value;
  for (const part of issue.path) {
    inner = inner === undefined ? undefined : childOf(inner, part);
    received = (received as Record<PropertyKey, unknown> | undefined)?.[part];
  }
  const place = [where, ...issue.path.map(String)].join(".");
  if (issue.code === "unrecognized_keys") {
    const known = inner === undefined ? [] : Object.keys(jsonSchemaOf(inner).properties ?? {});
    throw new UnknownNameError(place, "key", issue.keys[0]!, known);
  }
  const expected = inner === undefined ? issue.message : expectedText(inner);
  const verb = received === undefined ? "Set" : "Change";
  const change = `${verb} "${String(issue.path.at(-1) ?? lastPart(where))}".`;
  const fix = inner === undefined ? change : (jsonSchemaOf(inner).hint ?? change);
  throw new ConfigError(
    `${place}: expected ${expected}, received ${receivedText(received)}. ${fix}`,
  );
}

/** A received value in a message: JSON, cut where it is long. */
export function receivedText(value: unknown): string {
  if (value === undefined) return "nothing";
  if (typeof value === "number" && !Number.isFinite(value)) return String(value);
  const text = JSON.stringify(value) as string | undefined;
  if (text === undefined) return typeof value;
  return text.length <= 80 ? text : `${text.slice(0, 77)}...`;
}

/** The schema of a property or item, under optional, default and nullable wrappers. */
function childOf(schema: z.ZodType, part: PropertyKey): z.ZodType | undefined {
  const bare = unwrapped(schema);
  if (bare instanceof z.ZodObject) {
    const shape = bare.shape as Record<PropertyKey, z.ZodType>;
    return Object.hasOwn(shape, part) ? shape[part] : undefined;
  }
  return bare instanceof z.ZodArray ? (bare.element as z.ZodType) : undefined;
}

function unwrapped(schema: z.ZodType): z.ZodType {
  if (
    schema instanceof z.ZodOptional ||
    schema instanceof z.ZodDefault ||
    schema instanceof z.ZodNullable
  ) {
    return unwrapped(schema.unwrap() as z.ZodType);
  }
  return schema;
}

function lastPart(where: string): string {
  return where.split(/[\s:]+/).at(-1) ?? where;
}
