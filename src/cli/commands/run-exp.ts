import { z } from "zod";
import { commaList } from "../../recipe/flags.ts";
import { misplacedKey } from "../../recipe/misplaced-key.ts";
import { runFlags } from "../../recipe/run-flags.ts";
import { defineCommand } from "../define-command.ts";
import { terminalReporter } from "../progress.ts";

const own = {
  config_paths: commaList.optional().meta({
    description: "configuration files, separated by commas; later ones win",
    group: "Run:",
  }),
  print_config: z
    .boolean()
    .default(false)
    .meta({ description: "show every value and where it came from, then stop", group: "Run:" }),
};

/** Trains, evaluates or predicts as NeurST's run_exp does. */
export const runExpCommand = defineCommand({
  name: "run_exp",
  flags: z.strictObject({ ...own, ...runFlags() }),
  examples: [
    [
      "run_exp --config_paths training_args.yml,translation_bpe.yml,validation_args.yml " +
        "--hparams_set transformer_128_3e_3d_4h --pretrain_model float/ --model_dir qat/ " +
        `--train_steps 200 --enable_quant --quant_params "{'quant_bits':8}"`,
      "fine-tune with fake quantization",
    ],
    ["run_exp --config_paths prediction_args.yml --model_dir qat/best", "score a checkpoint"],
    ["run_exp --config_paths a.yml,b.yml --print_config", "see what would run"],
  ],
  misplaced: misplacedKey,
  async run(flags, io) {
    const { config_paths: configPaths = [], print_config: printConfig, ...settings } = flags;
    const { resolveRecipe } = await import("../../recipe/sources.ts");
    const resolved = resolveRecipe({ configPaths, flags: settings });
    for (const note of resolved.notes) io.err(note);
    if (printConfig) {
      const { recipeEntries, recipeText } = await import("../../recipe/print-config.ts");
      return { json: recipeEntries(resolved), text: recipeText(resolved) };
    }
    const { runRecipe } = await import("../../recipe/run.ts");
    const report = await runRecipe(resolved.recipe, {
      reporter: terminalReporter(io),
      signal: io.signal,
      now: io.now,
    });
    return { json: report.json, text: report.text, exitCode: report.interrupted ? 130 : 0 };
  },
});
