/** The search of `quantize`: its flags, and what it prints. */
import { z } from "zod";
import { ConfigError } from "../errors.ts";
import type { QuantizeRequest } from "../recipe/quantize.ts";
import { SEARCH_METRICS } from "../recipe/search-metrics.ts";
import type { CommandIo } from "./command-io.ts";
import type { CommandResult } from "./define-command.ts";
import { terminalReporter } from "./progress.ts";
import { quantReportText, reportWidth } from "./quant-report.ts";
import { DECODING_KEYS } from "./recipe-flags.ts";

/** Flags of the search; the rest of them are keys of the recipe. */
export const SEARCH_FLAGS = {
  search: z
    .enum(SEARCH_METRICS)
    .optional()
    .describe("find settings tensor by tensor, judged on src_file and trg_file by this metric"),
  max_bytes: z
    .int()
    .min(1)
    .optional()
    .describe("with --search: bytes of all tensors, codes packed without gaps [default: any]"),
  average_bits: z
    .number()
    .min(2)
    .max(8)
    .optional()
    .describe("with --search: mean bits of the quantized weights [default: any]"),
  limit: z
    .int()
    .min(1)
    .optional()
    .describe("with --search: most sentences, from the first line [default: all]"),
  allow_test_text: z
    .boolean()
    .default(false)
    .describe("with --search: take text with the name of test data, which is refused otherwise"),
};

/** Keys of the recipe that a search needs. */
export const SEARCH_TEXT_KEYS = [
  ...(["src_file", "trg_file", "data_is_processed", "metric", "tokenize", "lowercase"] as const),
  ...DECODING_KEYS,
] as const;

/** Flags as the command was given them. */
type GivenFlags = z.output<z.ZodObject<typeof SEARCH_FLAGS>> & Readonly<Record<string, unknown>>;

/** Searches, and prints the log and the report. */
export async function runSearch(
  request: QuantizeRequest,
  flags: GivenFlags,
  io: CommandIo,
): Promise<CommandResult> {
  const { output } = request;
  if (output === null) {
    throw new ConfigError(
      "tfjs-qat quantize --search: expected a directory to write, received none. Give --output.",
    );
  }
  const { searchQuantization } = await import("../recipe/search-quantization.ts");
  const given = SEARCH_TEXT_KEYS.filter((key) => flags[key] !== undefined);
  const { result, report, log, notes, partial } = await searchQuantization({
    ...{ ...request, output, metric: flags.search! },
    flags: Object.fromEntries(given.map((key) => [key, flags[key]])),
    maxBytes: flags.max_bytes ?? null,
    averageBits: flags.average_bits ?? null,
    limit: flags.limit ?? null,
    allowTestText: flags.allow_test_text,
    reporter: terminalReporter(io),
    signal: io.signal,
  });
  for (const note of notes) io.err(note);
  const { float, base, best, evaluations, culprits } = result;
  return {
    json: { output, partial, float, base, best, evaluations, culprits, ...report },
    text: [
      log,
      ...(partial ? ["PARTIAL: not the whole text."] : []),
      quantReportText(report, output, reportWidth(io)),
    ].join("\n"),
  };
}

/** @throws {ConfigError} for flags that only a search has */
export function refuseSearchFlags(flags: GivenFlags): void {
  const names = [...Object.keys(SEARCH_FLAGS), ...SEARCH_TEXT_KEYS];
  const given = names.find((name) => flags[name] !== undefined && flags[name] !== false);
  if (given === undefined) return;
  throw new ConfigError(
    `tfjs-qat quantize: expected --${given} with --search only, received it alone. ` +
      "Add --search bleu, loss or perplexity, or leave it out.",
  );
}
