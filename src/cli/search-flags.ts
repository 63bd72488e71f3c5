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

/** Flags of the search alone. */
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
};

/** Flags of what needs held-out text; the rest of them are keys of the recipe. */
export const TEXT_FLAGS = {
  learned_rounding: z
    .boolean()
    .default(false)
    .describe(
      "round each weight up or down so that its products change least on src_file, trg_file",
    ),
  bias_correction: z
    .boolean()
    .default(false)
    .describe("take off biases what rounded weights add to products on src_file, trg_file"),
  limit: z
    .int()
    .min(1)
    .optional()
    .describe("most sentences of src_file, from the first line [default: all]"),
  allow_test_text: z
    .boolean()
    .default(false)
    .describe("take text with the name of test data, which is refused otherwise"),
};

/** Keys of the recipe that say which text, and how it is translated and scored. */
export const TEXT_KEYS = [
  ...(["src_file", "trg_file", "data_is_processed", "metric", "tokenize", "lowercase"] as const),
  ...DECODING_KEYS,
] as const;

/** Flags as the command was given them. */
type GivenFlags = z.output<z.ZodObject<typeof SEARCH_FLAGS & typeof TEXT_FLAGS>> &
  Readonly<Record<string, unknown>>;

/** The parts of a request that these flags decide. */
export function textRequest(
  flags: GivenFlags,
  io: CommandIo,
): Pick<QuantizeRequest, "refine" | "text" | "reporter" | "signal"> {
  const { learned_rounding: learnedRounding, bias_correction: biasCorrection } = flags;
  const given = TEXT_KEYS.filter((key) => flags[key] !== undefined);
  const isWanted = flags.search !== undefined || learnedRounding || biasCorrection;
  if (!isWanted) refuseTextFlags(flags, given);
  if (flags.search === undefined) refuseSearchFlags(flags);
  const text = {
    flags: Object.fromEntries(given.map((key) => [key, flags[key]])),
    limit: flags.limit ?? null,
    allowTestText: flags.allow_test_text,
  };
  return {
    refine: { learnedRounding, biasCorrection },
    text: isWanted ? text : null,
    reporter: terminalReporter(io),
    signal: io.signal,
  };
}

/** Searches, and prints the log and the report. */
export async function runSearch(
  request: QuantizeRequest,
  flags: GivenFlags,
  io: CommandIo,
): Promise<CommandResult> {
  const { output, text } = request;
  if (output === null) {
    throw new ConfigError(
      "tfjs-qat quantize --search: expected a directory to write, received none. Give --output.",
    );
  }
  const { searchQuantization } = await import("../recipe/search-quantization.ts");
  const { refinementText } = await import("../recipe/refine-weights.ts");
  const found = await searchQuantization({
    ...{ ...request, output, text: text!, metric: flags.search! },
    maxBytes: flags.max_bytes ?? null,
    averageBits: flags.average_bits ?? null,
  });
  const { result, report, refinement, log, notes, partial } = found;
  for (const note of notes) io.err(note);
  const { float, base, best, evaluations, culprits } = result;
  const lines = [
    ...(partial ? ["PARTIAL: not the whole text."] : []),
    quantReportText(report, output, reportWidth(io)),
    ...(refinement === null ? [] : refinementText(refinement)),
  ];
  return {
    json: { output, partial, float, base, best, evaluations, culprits, ...report, ...refinement },
    text: [log, ...lines].join("\n"),
  };
}

function refuseSearchFlags(flags: GivenFlags): void {
  const given = (["max_bytes", "average_bits"] as const).find((name) => flags[name] !== undefined);
  if (given === undefined) return;
  throw new ConfigError(
    `tfjs-qat quantize: expected --${given} with --search only, received it alone. ` +
      "Add --search bleu, loss or perplexity, or leave it out.",
  );
}

function refuseTextFlags(flags: GivenFlags, keys: readonly string[]): void {
  const [given] = [...keys, ...(["limit", "allow_test_text"] as const).filter((k) => flags[k])];
  if (given === undefined) return;
  throw new ConfigError(
    `tfjs-qat quantize: expected --${given} with --search, --learned_rounding or ` +
      "--bias_correction only, received it alone. Add one of them, or leave it out.",
  );
}
