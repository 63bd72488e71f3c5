import { z } from "zod";
import { ConfigError } from "../../errors.ts";
import { commaList } from "../../recipe/flags.ts";
import type { CommandIo } from "../command-io.ts";
import { defineCommand, type CommandResult } from "../define-command.ts";

const flags = z.strictObject({
  action: z.enum(["learn", "apply"]).describe("learn merges from text, or segment text with them"),
  input: commaList.optional().describe("text files [default for apply: standard input]"),
  codes: z.string().min(1).describe("file of merges: written by learn, read by apply"),
  output: z.string().min(1).optional().describe("apply: file to write [default: standard output]"),
  symbols: z.int().min(1).default(4000).describe("learn: merges to learn"),
  min_frequency: z.int().min(1).default(2).describe("learn: rarer pairs are not merged"),
  languages: commaList
    .optional()
    .describe("tokenize as Moses does for these languages, one for each input [default: do not]"),
});

/** Learns and applies byte pair encoding. */
export const bpeCommand = defineCommand({
  name: "bpe",
  flags,
  positionals: ["action"],
  examples: [
    [
      "bpe learn --input train.en,train.de --languages en,de --symbols 4000 --codes codes.bpe",
      "joint codes of two languages",
    ],
    ["bpe apply --codes codes.bpe --languages en < test.en", "segment standard input"],
  ],
  run: (values, io) => (values.action === "learn" ? learn(values) : apply(values, io)),
});

type Values = z.output<typeof flags>;

async function learn(values: Values): Promise<CommandResult> {
  const { input, languages = null, codes } = values;
  if (input === undefined || values.output !== undefined) {
    throw new ConfigError(
      "tfjs-qat bpe learn: expected --input and --codes, received " +
        `${input === undefined ? "no --input" : "--output"}. Give text by --input; --codes is written.`,
    );
  }
  if (languages !== null && languages.length !== input.length) {
    throw new ConfigError(
      `--languages: expected ${input.length}, one for each input, received ${languages.length}. ` +
        "Give as many languages as inputs.",
    );
  }
  const { learnCodes } = await import("../../recipe/text-tools.ts");
  const { symbols: merges, min_frequency: minFrequency } = values;
  const json = await learnCodes({ inputs: input, output: codes, merges, minFrequency, languages });
  return { json, text: `${codes}: ${json.merges} merges` };
}

async function apply(values: Values, io: CommandIo): Promise<CommandResult> {
  const { input, codes, output, languages } = values;
  if ((input?.length ?? 1) > 1 || (languages?.length ?? 1) > 1) {
    throw new ConfigError(
      "tfjs-qat bpe apply: expected one input and one language, received more. Apply them in turn.",
    );
  }
  const { applyCodes } = await import("../../recipe/text-tools.ts");
  const text = input === undefined ? await io.readInput() : "";
  const lines = await applyCodes({
    codes,
    input: input?.[0] ?? null,
    text,
    language: languages?.[0] ?? null,
  });
  if (output === undefined) {
    return { json: { lines }, text: lines.length === 0 ? null : lines.join("\n") };
  }
  const { writeFileAtomic } = await import("../../data/atomic-file.ts");
  writeFileAtomic(output, lines.map((line) => `${line}\n`).join(""));
  return { json: { output, lines: lines.length }, text: `${output}: ${lines.length} lines` };
}
