/**
 * Writes docs/commands.md from the commands' declarations and the recipe's schemas:
 * `npm run docs`. A test checks that the committed file is current.
 */
import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { z } from "zod";
import { COMMANDS, type CommandEntry } from "../src/cli/commands.ts";
import { describeFlag, type Command } from "../src/cli/define-command.ts";
import { expectedText, jsonSchemaOf } from "../src/recipe/expected-text.ts";
import { NO_EFFECT } from "../src/recipe/no-effect.ts";
import { REFUSED_KEYS } from "../src/recipe/refused-keys.ts";
import { KEY_ALIASES, ownerOf, SECTION_NAMES, sectionOf } from "../src/recipe/schema.ts";
import type { SectionClass } from "../src/recipe/section.ts";
import { quantParamsSchema } from "../src/quant/config.ts";

/** The text of docs/commands.md. */
export async function commandReference(): Promise<string> {
  return [
    "# Command and key reference",
    "",
    "Generated from the schemas by `npm run docs`; do not edit.",
    "",
    ...(await commandParts()),
    ...recipeParts(),
  ].join("\n");
}

async function commandParts(): Promise<string[]> {
  const parts = await Promise.all(COMMANDS.map(commandPart));
  return [
    "Every command takes `--help`, `--json` (one object on standard output and nothing else there) and",
    "`--debug` (the stack of an error). Flags may be written `--snake_case` or `--kebab-case`;",
    "`--flag=false` or `--no-flag` turns a boolean off. Progress goes to standard error; `NO_COLOR` is",
    "respected. Exit codes: 0 done, 1 failed, 2 the command or configuration is wrong, 3 the data or a",
    "file is wrong, 130 interrupted (a training run has saved a checkpoint).",
    "",
    ...parts.flat(),
  ];
}

async function commandPart({ summary, load }: CommandEntry): Promise<string[]> {
  const command = await load();
  const places = command.positionals.map((name) => ` <${name}>`).join("");
  const examples = command.examples.map(([line, meaning]) => `# ${meaning}\ntfjs-qat ${line}`);
  const flags =
    command.name === "run_exp"
      ? ["Flags: `--config_paths`, `--print_config`, and every key of the reference below."]
      : flagTable(command);
  return [
    `## tfjs-qat ${command.name}${places}`,
    "",
    `${summary}.`,
    "",
    "```bash",
    examples.join("\n\n"),
    "```",
    "",
    ...flags,
    "",
  ];
}

function flagTable({ flags }: Command): string[] {
  const rows = Object.entries(flags)
    .filter(([name]) => !["json", "debug", "help"].includes(name))
    .map(([name, schema]) => `| \`--${name}\` | ${cell(describeFlag(schema))} |`);
  return ["| flag | meaning |", "|---|---|", ...rows];
}

function recipeParts(): string[] {
  return [
    "## Keys of a recipe",
    "",
    "A key can stand in a configuration file or be a flag of `run_exp`. Precedence, weakest first:",
    "defaults, `model_configs.yml` of pretrain_model, `model_configs.yml` of model_dir, `hparams_set`,",
    "configuration files from left to right, flags. A null value says nothing. `quant_params` is merged",
    "key by key. Where a source changes the class of a section, weaker sources' parameters of that",
    "section are dropped. Paths in a file are relative to that file. `--print_config` shows every value",
    "and where it came from.",
    "",
    "For a parameter `p` of the section `X`, `p`, `X.p`, `X.params: {p: …}` and `X: {params: {p: …}}` mean",
    "the same; `X: C`, `X.class: C` and `X: {class: C}` choose its class. A key marked ° belongs to another",
    "section when it stands alone: write `X.p` or `X.params`.",
    "",
    ...SECTION_NAMES.flatMap(sectionPart),
    "### quant_params",
    "",
    ...keyTable(Object.entries(quantParamsSchema.shape), () => ""),
    "",
    "### Other spellings",
    "",
    ...[...KEY_ALIASES].map(([alias, key]) => `- \`${alias}\` means \`${key}\`.`),
    "",
    "### Accepted without effect",
    "",
    "NeurST's keys that change nothing here; each use is reported in one line.",
    "",
    "| key | why |",
    "|---|---|",
    ...Object.entries(NO_EFFECT).map(([key, reason]) => `| \`${key}\` | ${cell(reason)} |`),
    "",
    "### Refused",
    "",
    "NeurST's keys without which a run would be another one than was asked for.",
    "",
    "| key | instead |",
    "|---|---|",
    ...Object.entries(REFUSED_KEYS).map(([key, instead]) => `| \`${key}\` | ${cell(instead)} |`),
    "",
  ];
}

function sectionPart(name: (typeof SECTION_NAMES)[number]): string[] {
  const section = sectionOf(name);
  const classes = Object.entries(section.classes);
  const parts = classes.flatMap(([className, sectionClass]) => [
    ...(name === "run" ? [] : [classTitle(className, sectionClass, section.defaultClass), ""]),
    ...keyTable(Object.entries(sectionClass.params.shape) as [string, z.ZodType][], (key) =>
      ownerOf(key) === name ? "" : "°",
    ),
    "",
  ]);
  return [`### ${name}`, "", `${capitalized(section.summary)}.`, "", ...parts];
}

function classTitle(
  name: string,
  { summary, aliases = [] }: SectionClass,
  byDefault: string,
): string {
  const also = aliases.length === 0 ? "" : `; also ${aliases.map((a) => `\`${a}\``).join(", ")}`;
  return `**${name}**${name === byDefault ? " (default)" : ""}: ${summary}${also}.`;
}

function keyTable(entries: [string, z.ZodType][], mark: (key: string) => string): string[] {
  if (entries.length === 0) return [];
  const rows = entries.map(([key, schema]) => {
    const { description = "", default: value } = jsonSchemaOf(schema);
    const shown = value === undefined ? "" : `\`${JSON.stringify(value)}\``;
    return `| \`${key}\`${mark(key)} | ${cell(description)} | ${cell(expectedText(schema))} | ${shown} |`;
  });
  return ["| key | meaning | value | default |", "|---|---|---|---|", ...rows];
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|");
}

function capitalized(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(new URL("../docs/commands.md", import.meta.url), await commandReference());
}
