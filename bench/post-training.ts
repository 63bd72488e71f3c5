/** The shipped model quantized after training: calibrated, exported to int8, loaded back. */
import { join } from "node:path";
import { exportInt8 } from "../src/export/int8.ts";
import { saveInt8 } from "../src/export/save-int8.ts";
import { loadModel, type LoadedModel } from "../src/recipe/load-model.ts";
import { modelConfigFiles } from "../src/recipe/model-configs.ts";
import { runRecipe } from "../src/recipe/run.ts";
import { SILENT } from "../src/recipe/run-reporter.ts";
import { resolveRecipe } from "../src/recipe/sources.ts";
import { PRETRAINED, TRAINING_CONFIGS } from "./settings.ts";

/** @param directory where the calibrated model and its export are written */
export async function quantizeAfterTraining(directory: string): Promise<LoadedModel> {
  const modelDir = join(directory, "ptq");
  const { recipe } = resolveRecipe({
    configPaths: TRAINING_CONFIGS,
    flags: { pretrain_model: PRETRAINED, model_dir: modelDir, backend: "wasm", train_steps: 0 },
  });
  const now = (): number => performance.now() / 1000;
  await runRecipe({ ...recipe, validator: null }, { reporter: SILENT, now });
  const calibrated = loadModel(modelDir);
  const { model, task } = calibrated;
  const exportDir = join(directory, "ptq_int8");
  const int8 = exportInt8(model, { special: task.special });
  saveInt8(exportDir, int8, modelConfigFiles(calibrated.recipe, model));
  model.dispose();
  return loadModel(exportDir);
}
