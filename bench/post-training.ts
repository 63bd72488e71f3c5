/** The shipped model quantized after training: calibrated, exported to int8, loaded back. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { exportInt8 } from "../src/export/int8.ts";
import { saveInt8 } from "../src/export/save-int8.ts";
import { loadModel, type LoadedModel } from "../src/recipe/load-model.ts";
import { modelConfigFiles } from "../src/recipe/model-configs.ts";
import { runRecipe } from "../src/recipe/run.ts";
import { SILENT } from "../src/recipe/run-reporter.ts";
import { resolveRecipe } from "../src/recipe/sources.ts";
import { DATA, PRETRAINED, TRAINING_CONFIGS } from "./settings.ts";

/** Dev sentences that judge the one candidate there is: a run of no steps saves what it judged. */
const JUDGED_SENTENCES = 8;

/** @param directory where the calibrated model and its export are written */
export async function quantizeAfterTraining(directory: string): Promise<LoadedModel> {
  const modelDir = join(directory, "ptq");
  const { recipe } = resolveRecipe({
    configPaths: TRAINING_CONFIGS,
    flags: {
      pretrain_model: PRETRAINED,
      model_dir: modelDir,
      backend: "wasm",
      train_steps: 0,
      "validator.class": "CriterionValidator",
      eval_dataset: "ParallelTextDataset",
      "eval_dataset.params": {
        src_file: firstLines("dev.en", directory),
        trg_file: firstLines("dev.de", directory),
      },
    },
  });
  const now = (): number => performance.now() / 1000;
  await runRecipe(recipe, { reporter: SILENT, now });
  const calibrated = loadModel(join(modelDir, "best"));
  const { model, task } = calibrated;
  const exportDir = join(directory, "ptq_int8");
  const int8 = exportInt8(model, { special: task.special });
  saveInt8(exportDir, int8, modelConfigFiles(calibrated.recipe, model));
  model.dispose();
  return loadModel(exportDir);
}

function firstLines(file: string, directory: string): string {
  const path = join(directory, file);
  const lines = readFileSync(join(DATA, file), "utf8").split("\n").slice(0, JUDGED_SENTENCES);
  writeFileSync(path, lines.map((line) => `${line}\n`).join(""));
  return path;
}
