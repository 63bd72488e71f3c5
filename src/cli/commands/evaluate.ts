import { z } from "zod";
import { defineCommand } from "../define-command.ts";
import { terminalReporter } from "../progress.ts";
import { DECODING_KEYS, recipeFlags } from "../recipe-flags.ts";

const DATA_KEYS = [
  "src_file",
  "trg_file",
  "raw_trg_file",
  "data_is_processed",
  "metric",
  "tokenize",
  "lowercase",
  "output_file",
  "save_metric",
  "limit",
] as const;

/** Decodes a data set with a model and scores it. */
export const evaluateCommand = defineCommand({
  name: "evaluate",
  flags: z.strictObject({
    model_dir: z.string().min(1).describe("model directory, checkpoint file or int8 export"),
    ...recipeFlags([...DATA_KEYS, ...DECODING_KEYS]),
  }),
  positionals: ["model_dir"],
  examples: [
    ["evaluate qat/best --src_file test.en --trg_file test.de", "BLEU with beam search"],
    ["evaluate int8 --src_file test.en --trg_file test.de --metric chrf --json", "an int8 export"],
  ],
  async run({ model_dir: path, ...flags }, io) {
    const { recipeOfModel } = await import("../../recipe/sources.ts");
    const { runRecipe } = await import("../../recipe/run.ts");
    const { recipe } = recipeOfModel(path, { ...flags, entry: "predict" });
    const { signal, now } = io;
    return runRecipe(recipe, { reporter: terminalReporter(io), signal, now });
  },
});
