/**
 * One command of the command line: a zod object becomes its flags. This file alone knows yargs.
 *
 * Flags may be written `--snake_case` or `--kebab-case`, with `=value` or the value after a blank;
 * `--flag=false` and `--no-flag` set a boolean to false. Lists and mappings are YAML.
 */
import { Parser } from "yargs/helpers";
import { z } from "zod";
import { ConfigError, UnknownNameError } from "../errors.ts";
import { expectedText, jsonSchemaOf, parseValue, valueKind } from "../recipe/expected-text.ts";
import { flagValue } from "../recipe/flags.ts";
import type { CommandIo } from "./command-io.ts";

/** What a command prints: an object for `--json`, text otherwise. */
export interface CommandResult {
  readonly json: unknown;
  /** Null prints nothing; an empty text is an empty line. */
  readonly text: string | null;
  /** Exit status if not 0. */
  readonly exitCode?: number;
}

/** What a command file declares. */
export interface CommandSpec<F extends z.ZodObject> {
  readonly name: string;
  /** Flags by their snake_case names; keep names as users write them. */
  readonly flags: F;
  /** Flags that are given without their name, in order; a list takes the rest. */
  readonly positionals?: readonly string[];
  /** Command lines (after `tfjs-qat `) and what they do. */
  readonly examples: readonly (readonly [command: string, meaning: string])[];
  /** The error for a name that is no flag, where more can be said than that. */
  readonly misplaced?: (name: string, where: string) => Error | null;
  run(flags: z.output<F>, io: CommandIo): Promise<CommandResult>;
}

/** A command that `runCli` can run. */
export interface Command {
  readonly name: string;
  readonly examples: CommandSpec<z.ZodObject>["examples"];
  readonly positionals: readonly string[];
  /** Flags by name, those of every command included. */
  readonly flags: Readonly<Record<string, z.ZodType>>;
  /** @param summary one line, without a full stop */
  help(summary: string, columns: number): Promise<string>;
  /** @throws {ConfigError} or {@link UnknownNameError} for arguments that do not fit */
  parse(argv: readonly string[]): ParsedCommand;
}

/** A command with its arguments. */
export interface ParsedCommand {
  readonly common: z.output<typeof commonFlags>;
  run(io: CommandIo): Promise<CommandResult>;
}

/** Flags that every command has. */
const commonFlags = z.strictObject({
  json: z.boolean().default(false).describe("print one JSON object on standard output"),
  debug: z.boolean().default(false).describe("show the stack of an error"),
  help: z.boolean().default(false).describe("show this text"),
});

/** Turns a declaration into a command. */
export function defineCommand<F extends z.ZodObject>(spec: CommandSpec<F>): Command {
  const flags = { ...shapeOf(spec.flags), ...shapeOf(commonFlags) };
  const positionals = spec.positionals ?? [];
  return {
    name: spec.name,
    examples: spec.examples,
    positionals,
    flags,
    help: (summary, columns) => helpText(spec, summary, flags, columns),
    parse(argv) {
      const raw = readArguments(argv, flags, positionals, spec);
      const common = checked(commonFlags, pick(raw, commonFlags));
      return {
        common,
        run: async (io) => spec.run(checked(spec.flags, pick(raw, spec.flags)), io),
      };
    },
  };
}

function shapeOf(object: z.ZodObject): Record<string, z.ZodType> {
  return object.shape;
}

function pick(raw: Record<string, unknown>, object: z.ZodObject): Record<string, unknown> {
  const names = Object.keys(object.shape).filter((name) => Object.hasOwn(raw, name));
  return Object.fromEntries(names.map((name) => [name, raw[name]]));
}

/** Checks each value by itself, so that messages name the flag. */
function checked<F extends z.ZodObject>(object: F, raw: Record<string, unknown>): z.output<F> {
  const entries = Object.entries(shapeOf(object)).map(([name, schema]) => {
    return [name, parseValue(schema, raw[name], `--${name}`)] as const;
  });
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined)) as z.output<F>;
}

/** The values that arguments give, by snake_case name. */
function readArguments(
  argv: readonly string[],
  flags: Readonly<Record<string, z.ZodType>>,
  positionals: readonly string[],
  { name: command, misplaced }: Pick<CommandSpec<z.ZodObject>, "name" | "misplaced">,
): Record<string, unknown> {
  const booleans = Object.keys(flags).filter((name) => valueKind(flags[name]!) === "boolean");
  const { argv: parsed, error } = Parser.detailed(snakeCased(argv, flags), {
    boolean: booleans,
    string: ["_", ...Object.keys(flags).filter((name) => !booleans.includes(name))],
    alias: { help: ["h"], ...shortNames(flags) },
    configuration: {
      "boolean-negation": true,
      "camel-case-expansion": false,
      "dot-notation": false,
      "duplicate-arguments-array": true,
      "parse-numbers": false,
      "strip-aliased": true,
      "populate--": false,
    },
  });
  if (error !== null) throw new ConfigError(`tfjs-qat ${command}: ${error.message}`);
  const raw: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(parsed)) {
    if (name === "_") continue;
    const schema = Object.hasOwn(flags, name) ? flags[name] : undefined;
    if (schema === undefined) {
      throw (
        misplaced?.(name.replaceAll("-", "_"), `--${name}`) ?? unknownFlag(command, name, flags)
      );
    }
    raw[name] = typedValue(schema, value, `--${name}`);
  }
  addPositionals(raw, parsed._.map(String), positionals, flags, command);
  return raw;
}

/** One-letter names of flags that have one. */
function shortNames(flags: Readonly<Record<string, z.ZodType>>): Record<string, string[]> {
  return Object.fromEntries(
    Object.entries(flags).flatMap(([name, schema]) => {
      const { short } = (schema.meta() ?? {}) as FlagMeta;
      return short === undefined ? [] : [[name, [short]]];
    }),
  );
}

function typedValue(schema: z.ZodType, value: unknown, where: string): unknown {
  if (typeof value === "boolean") return value;
  if (Array.isArray(value)) {
    // The last one wins, as in NeurST; of a list, that would silently drop what came before.
    if (valueKind(schema) !== "list") return typedValue(schema, value.at(-1), where);
    const given = value.map((item) => JSON.stringify(item)).join(" and ");
    throw new ConfigError(
      `${where}: expected the flag once, received ${given}. Write ${where}=<a>,<b>.`,
    );
  }
  if (typeof value === "string" && value !== "") return flagValue(schema, value, where);
  throw new ConfigError(
    `${where}: expected ${expectedText(schema)}, received nothing. Write ${where}=<value>.`,
  );
}

function addPositionals(
  raw: Record<string, unknown>,
  given: readonly string[],
  positionals: readonly string[],
  flags: Readonly<Record<string, z.ZodType>>,
  command: string,
): void {
  const rest = [...given];
  for (const name of positionals) {
    if (rest.length === 0) break;
    const schema = flags[name]!;
    raw[name] = valueKind(schema) === "list" ? rest.splice(0) : rest.shift();
  }
  if (rest.length === 0) return;
  const expected = positionals.length === 0 ? "flags only" : positionals.join(", ");
  throw new ConfigError(
    `tfjs-qat ${command}: expected ${expected}, received "${rest[0]!}". ` +
      `Put values after their flags, and quote values that hold blanks.`,
  );
}

/** Known flags in kebab case (`--train-steps`, `--no-enable-quant`) get their own spelling. */
function snakeCased(argv: readonly string[], flags: Readonly<Record<string, z.ZodType>>): string[] {
  const end = argv.indexOf("--");
  return argv.map((argument, i) => {
    const match = /^--(no-)?([^=]+)(=.*)?$/s.exec(argument);
    if (match === null || (end >= 0 && i > end)) return argument;
    const [, negation = "", written = "", value = ""] = match;
    const name = written.replaceAll("-", "_");
    return Object.hasOwn(flags, name) ? `--${negation}${name}${value}` : argument;
  });
}

function unknownFlag(
  command: string,
  name: string,
  flags: Readonly<Record<string, z.ZodType>>,
): UnknownNameError {
  const written = name.length === 1 ? `-${name}` : `--${name.replaceAll("-", "_")}`;
  const known = Object.keys(flags).map((flag) => `--${flag}`);
  const remedy = `"tfjs-qat ${command} --help" lists them.`;
  return new UnknownNameError(`tfjs-qat ${command}`, "flag", written, known, remedy);
}

async function helpText(
  spec: CommandSpec<z.ZodObject>,
  summary: string,
  flags: Readonly<Record<string, z.ZodType>>,
  columns: number,
): Promise<string> {
  const { default: yargs } = await import("yargs");
  const places = (spec.positionals ?? []).map((name) => `<${name}>`);
  const usage = ["tfjs-qat", spec.name, ...places, "[flags]"].join(" ");
  const instance = yargs([])
    .help(false)
    .version(false)
    .parserConfiguration({ "camel-case-expansion": false, "dot-notation": false })
    .usage(`${usage}\n\n${summary}.`)
    .wrap(Math.min(columns, 110));
  for (const [name, schema] of Object.entries(flags)) {
    const { group = "Flags:", hidden, short } = (schema.meta() ?? {}) as FlagMeta;
    if (hidden === true) continue;
    const alias = short === undefined ? {} : { alias: short };
    instance.option(name, { describe: describeFlag(schema), group, ...alias });
  }
  for (const [command, meaning] of spec.examples) instance.example(`tfjs-qat ${command}`, meaning);
  return await instance.getHelp();
}

/** A flag's description, the values that it takes, and its default. */
export function describeFlag(schema: z.ZodType): string {
  const json = jsonSchemaOf(schema);
  const { defaultText } = (schema.meta() ?? {}) as FlagMeta;
  const isClear =
    json.enum === undefined && ["string", "array", "object"].includes(json.type ?? "string");
  const values =
    isClear || json.type === "boolean" ? "" : ` (${expectedText(schema).replace(/^an? /, "")})`;
  const isShown = json.default !== undefined && json.default !== false;
  const value = defaultText ?? (isShown ? JSON.stringify(json.default) : undefined);
  return `${json.description ?? ""}${values}${value === undefined ? "" : ` [default: ${value}]`}`;
}

/** What a flag's schema may carry besides its description. */
interface FlagMeta {
  /** Heading in the help text. */
  readonly group?: string;
  /** Accepted, but not listed in the help text. */
  readonly hidden?: boolean;
  /** One letter that may stand for the name, as in `-o`. */
  readonly short?: string;
  /** A default that is filled in elsewhere. */
  readonly defaultText?: string;
}
