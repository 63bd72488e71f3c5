import { z } from "zod";
import { QUANT_MODES } from "../../core/qtype.ts";
import { ConfigError } from "../../errors.ts";
import { type QuantParamsInput, quantParamsSchema } from "../../quant/config.ts";
import { defineCommand, type CommandResult } from "../define-command.ts";
import { quantReportText, reportWidth } from "../quant-report.ts";
import { recipeFlags } from "../recipe-flags.ts";
import { runSearch, SEARCH_FLAGS, TEXT_FLAGS, TEXT_KEYS, textRequest } from "../search-flags.ts";

/** Keys of quant_params that belong to training, or have a flag of another form here. */
const TRAINING_KEYS = ["quant_strategy", "quant_clip_lr", "quant_calibrate_batches", "overrides"];

/** Quantizes a trained model without training. */
export const quantizeCommand = defineCommand({
  name: "quantize",
  flags: z.strictObject({
    model_dir: z.string().min(1).describe("model directory, checkpoint file or int8 export"),
    output: z
      .string()
      .min(1)
      .optional()
      .meta({ description: "model directory to write; it must be new or empty", short: "o" }),
    stats: z
      .string()
      .min(1)
      .optional()
      .describe("YAML of statistics, ours or Distiller's; without, ranges of the live tensors"),
    mode: z
      .enum(QUANT_MODES)
      .optional()
      .describe("codes of weights and activations alike: quant_weight_mode and quant_act_mode"),
    overrides: z
      .string()
      .min(1)
      .optional()
      .describe("YAML of settings by layer: globs with quant_… keys, or Distiller's as it stands"),
    overrides_dialect: z
      .enum(["tfjs-qat", "distiller"])
      .optional()
      .describe("whose keys the overrides have [default: told by the keys]"),
    print_plan: z
      .boolean()
      .default(false)
      .describe("show what will be done to each layer before it is; alone if no output is given"),
    ...quantFlags(),
    ...SEARCH_FLAGS,
    ...TEXT_FLAGS,
    ...recipeFlags(TEXT_KEYS),
  }),
  positionals: ["model_dir"],
  examples: [
    ["quantize float/best --stats stats.yaml --output ptq", "ranges from statistics"],
    ["quantize float/best --output dynamic", "ranges of the live tensors"],
    [
      "quantize gnmt --stats stats.yaml --mode asymmetric_signed --quant_act_clip avg " +
        "--quant_per_channel --overrides overrides.yaml --print_plan",
      "look at the plan alone",
    ],
    [
      "quantize float/best --stats stats.yaml --search bleu --src_file dev.en --trg_file dev.de " +
        "--output searched",
      "settings tensor by tensor; writes overrides.yml and search.md too",
    ],
  ],
  async run(flags, io): Promise<CommandResult> {
    const { model_dir: path, output = null, stats = null, overrides = null, mode } = flags;
    const { print_plan: printsPlan, overrides_dialect: dialect = null } = flags;
    if (output === null && !printsPlan) {
      throw new ConfigError(
        "tfjs-qat quantize: expected a directory to write, received none. Give --output, or " +
          "--print_plan to see what would be done.",
      );
    }
    if (dialect !== null && overrides === null) {
      throw new ConfigError(
        "tfjs-qat quantize: expected --overrides_dialect with --overrides only, received it alone. " +
          "Give the file of overrides, or leave it out.",
      );
    }
    const modes = mode === undefined ? {} : { quant_weight_mode: mode, quant_act_mode: mode };
    const quantParams = { ...modes, ...quantParamsOf(flags) };
    const files = { path, output, stats, overrides, dialect };
    const request = { ...files, quantParams, ...textRequest(flags, io) };
    if (flags.search !== undefined) return runSearch(request, flags, io);
    const { quantizeOnDisk } = await import("../../recipe/quantize.ts");
    const { refinementText } = await import("../../recipe/refine-weights.ts");
    const outcome = await quantizeOnDisk(request, (plan) => {
      if (printsPlan && !io.json) io.out(plan);
    });
    for (const note of outcome.notes) io.err(note);
    const { report, refinement } = outcome;
    const refined = refinement === null ? [] : refinementText(refinement);
    return {
      json: { output, ...(printsPlan ? { plan: outcome.plan } : {}), ...report, ...refinement },
      text:
        report === null
          ? null
          : [quantReportText(report, output!, reportWidth(io)), ...refined].join("\n"),
    };
  },
});

/** Keys of quant_params that post-training quantization has, as flags. */
function quantFlags(): Record<string, z.ZodType> {
  const entries = Object.entries(quantParamsSchema.shape)
    .filter(([name]) => !TRAINING_KEYS.includes(name))
    .map(([name, schema]): [string, z.ZodType] => [name, withoutDefault(schema)]);
  return Object.fromEntries(entries);
}

function withoutDefault(schema: z.ZodType): z.ZodType {
  if (!(schema instanceof z.ZodDefault)) return schema;
  const { description = "" } = schema;
  const defaultText = JSON.stringify(schema.def.defaultValue);
  return (schema.unwrap() as z.ZodType).optional().meta({ description, defaultText });
}

function quantParamsOf(flags: Readonly<Record<string, unknown>>): QuantParamsInput {
  const entries = Object.entries(flags).filter(([name]) => name.startsWith("quant_"));
  return Object.fromEntries(entries);
}
