import { z } from "zod";
import { defineCommand } from "../define-command.ts";
import { terminalReporter } from "../progress.ts";
import { DECODING_KEYS, recipeFlags } from "../recipe-flags.ts";

/** Collects statistics of a model for post-training quantization. */
export const calibrateCommand = defineCommand({
  name: "calibrate",
  flags: z.strictObject({
    model_dir: z.string().min(1).describe("model directory or checkpoint file"),
    output: z
      .string()
      .min(1)
      .describe("YAML file to write; histograms go to <name>.histograms.safetensors beside it"),
    limit: z.int().min(1).optional().describe("most sentences, from the first line [default: all]"),
    allow_test_text: z
      .boolean()
      .default(false)
      .describe("take text with the name of test data, which is refused otherwise"),
    save_every: z
      .int()
      .min(1)
      .default(8)
      .describe("batches between two states on disk, <output>.state, from which a call goes on"),
    ...recipeFlags(["src_file", "trg_file", "data_is_processed", ...DECODING_KEYS]),
  }),
  positionals: ["model_dir"],
  examples: [
    ["calibrate float/best --src_file dev.en --output stats.yaml", "of the model's own search"],
    [
      "calibrate float/best --src_file dev.en --trg_file dev.de --output stats.yaml",
      "of the reference translations instead, which is faster",
    ],
  ],
  async run({ model_dir: path, output, limit, ...rest }, io) {
    const { allow_test_text: allowTestText, save_every: saveEvery, ...flags } = rest;
    const { calibrateText } = await import("../../recipe/calibrate.ts");
    const json = await calibrateText(path, {
      ...{ flags, output, limit: limit ?? null, allowTestText, saveEvery },
      reporter: terminalReporter(io),
      signal: io.signal,
    });
    const partial = json.partial ? `, PARTIAL: ${json.lines} lines` : "";
    const text = `${output}: ${json.operations} operations over ${json.sentences} sentences${partial}`;
    return { json, text };
  },
});
