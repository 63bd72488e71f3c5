/** A trained quantized model to an int8 export. */
import { selectBackend } from "../backends/select.ts";
import { exportInt8 } from "../export/int8.ts";
import { saveInt8 } from "../export/save-int8.ts";
import { isRangeName } from "../quant/clip-name.ts";
import { loadModel } from "./load-model.ts";
import { modelConfigFiles } from "./model-configs.ts";

/** What an export came to. */
export interface ExportReport {
  readonly output: string;
  /** The checkpoint that was exported. */
  readonly source: string;
  readonly step: number | null;
  /** Size of tensors and quantization.json. */
  readonly bytes: number;
  /** Size of the same weights in float32. */
  readonly float_bytes: number;
  readonly quantized_weights: number;
  /** Weights in half precision. */
  readonly float16_weights: number;
}

/**
 * Writes an int8 export with everything that is needed to use it: model_configs.yml, vocabulary and
 * codes go along.
 * @throws {ExportError} if the model is not quantized
 */
export async function exportModel(path: string, output: string): Promise<ExportReport> {
  await selectBackend("cpu");
  const { model, task, recipe, weightsPath, step } = loadModel(path);
  try {
    const exported = exportInt8(model, { special: task.special });
    saveInt8(output, exported, modelConfigFiles(recipe, model));
    const weights = [...model.variables].filter(([name]) => !isRangeName(name));
    return {
      output,
      source: weightsPath,
      step,
      bytes: exported.tensors.length + new TextEncoder().encode(exported.quantization).length,
      float_bytes: weights.reduce((sum, [, { size }]) => sum + 4 * size, 0),
      quantized_weights: Object.keys(exported.record.weights).length,
      float16_weights: exported.record.float16.filter((name) => model.variables.has(name)).length,
    };
  } finally {
    model.dispose();
  }
}
