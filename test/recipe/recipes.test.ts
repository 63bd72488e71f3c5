import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { resolveRecipe } from "../../src/recipe/sources.ts";

const FOLDER = "recipes/translation/transformer";
const inFolder = (...names: string[]): string[] => names.map((name) => join(FOLDER, name));

describe("shipped recipes", () => {
  it.each(readdirSync(FOLDER).filter((name) => name.endsWith(".yml")))(
    "%s is valid by itself",
    (name) => {
      expect(resolveRecipe({ configPaths: inFolder(name) }).notes).toEqual([]);
    },
  );

  it("give the seed's command a complete recipe whose files exist", () => {
    const { recipe } = resolveRecipe({
      configPaths: inFolder("training_args.yml", "translation_bpe.yml", "validation_args.yml"),
      flags: {
        hparams_set: "transformer_128_3e_3d_4h",
        pretrain_model: "pretrained/transformer-lohelp",
        initial_global_step: 250000,
        train_steps: 50,
        save_checkpoints_steps: 25,
        enable_quant: true,
        quant_params: { quant_bits: 8, quant_weight_clip_max: 1.0, quant_act_clip_max: 16.0 },
      },
    });
    const { dataset, eval_dataset, src_data_pipeline } = recipe;
    for (const path of [
      dataset?.src_file,
      dataset?.trg_file,
      eval_dataset?.src_file,
      src_data_pipeline?.vocab_path,
    ]) {
      expect(existsSync(path ?? "")).toBe(true);
    }
    expect(recipe.validator?.eval_steps).toBe(25);
    expect(recipe.model).toMatchObject({ "modality.share_source_target_embedding": true });
    expect(recipe.entry).toMatchObject({ save_checkpoint_steps: 25, initial_global_step: 250000 });
  });

  it("let qat.yml take the architecture of the pretrained model", () => {
    const { recipe, origins } = resolveRecipe({
      configPaths: inFolder("translation_bpe.yml", "validation_args.yml", "qat.yml"),
      flags: { pretrain_model: "pretrained/transformer-lohelp" },
    });
    expect(recipe.model).toMatchObject({ "encoder.num_layers": 3 });
    expect(origins.get("model.encoder.num_layers")).toContain(
      "pretrained/transformer-lohelp/model_configs.yml",
    );
    expect(recipe.validator?.eval_on_begin).toBe(true);
  });
});
