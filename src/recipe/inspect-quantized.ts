/** Inspects a quantized training checkpoint through the trained layers. */
import { selectBackend } from "../backends/select.ts";
import { clipName } from "../quant/clip-name.ts";
import type { Quantizer } from "../quant/quantizers.ts";
import { shortPath } from "../models/layer-paths.ts";
import {
  codeFigures,
  floatReports,
  perChannel,
  type ModelReport,
  type TensorReport,
} from "./tensor-report.ts";
import { loadModel } from "./load-model.ts";

/** Codes, clips and ranges as the trained model itself makes them. */
export async function inspectQuantized(path: string): Promise<ModelReport> {
  await selectBackend("cpu");
  const { model, weightsPath, step } = loadModel(path);
  try {
    const codes = new Map<string, Int8Array>();
    const quantized: TensorReport[] = [];
    for (const layer of model.layers()) {
      for (const [name, quantizer] of layer.quantizers) {
        const view = quantizer.kind === "weight" ? layer.quantizedWeight(name) : null;
        if (view !== null) codes.set(quantizer.path, view.codes);
        const figures = view === null ? {} : codeFigures(view.codes, view.bits);
        quantized.push({ ...rangeReport(quantizer), ...figures, shape: view?.shape ?? [] });
      }
    }
    const owned = new Set(quantized.flatMap(({ name }) => [name, clipName(name)]));
    const floats = [...model.variables].filter(([name]) => !owned.has(name));
    const tensors = [...quantized, ...floatReports(floats)];
    tensors.sort((a, b) => (a.path < b.path ? -1 : 1));
    return { path: weightsPath, format: "quantized", step, tensors, codes };
  } finally {
    model.dispose();
  }
}

function rangeReport(quantizer: Quantizer): TensorReport {
  const { clip, scale, min, max } = quantizer.range();
  const isWeight = quantizer.kind === "weight";
  return {
    path: shortPath(quantizer.path),
    name: quantizer.path,
    role: isWeight ? "quantized weight" : "activation range",
    shape: [],
    dtype: isWeight ? "int8" : "float32",
    bits: quantizer.bits,
    clip: clip.length === 0 ? null : perChannel(clip),
    scale: perChannel(scale),
    output_min: Math.min(...min),
    output_max: Math.max(...max),
    used_levels: null,
    saturated: null,
  };
}
