/** Inspects a quantized training checkpoint through the trained layers. */
import { selectBackend } from "../backends/select.ts";
import { isRangeName } from "../quant/clip-name.ts";
import { Float16Quantizer } from "../quant/float16-quantizer.ts";
import { type Quantizer, StaticQuantizer } from "../quant/quantizers.ts";
import {
  codeFigures,
  float16Report,
  floatReport,
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
    const codes = new Map<string, Int8Array | Uint8Array>();
    const quantized: TensorReport[] = [];
    for (const layer of model.layers()) {
      for (const path of layer.float16Places) {
        const variable = model.variables.get(path);
        const role = variable === undefined ? "activation range" : "float tensor";
        quantized.push(float16Report(path, variable?.shape ?? [], role));
      }
      for (const [name, quantizer] of layer.quantizers) {
        if (quantizer instanceof Float16Quantizer) continue;
        const view = quantizer.kind === "weight" ? layer.quantizedWeight(name) : null;
        if (view !== null) codes.set(quantizer.path, view.codes);
        const figures = view === null ? {} : codeFigures(view.codes, view.stored);
        quantized.push({ ...rangeReport(quantizer), ...figures, shape: view?.shape ?? [] });
      }
    }
    const owned = new Set(quantized.map(({ name }) => name));
    const floats = [...model.variables].filter(([name]) => !owned.has(name) && !isRangeName(name));
    const tensors = [...quantized, ...floatReports(floats)];
    tensors.sort((a, b) => (a.path < b.path ? -1 : 1));
    return { path: weightsPath, format: "quantized", step, tensors, codes };
  } finally {
    model.dispose();
  }
}

function rangeReport(quantizer: Quantizer): TensorReport {
  const { path, kind, bits } = quantizer;
  const role = kind === "weight" ? "quantized weight" : "activation range";
  const report = { ...floatReport(path, []), role, bits } as const;
  // Each tensor has a range of its own.
  if (!(quantizer instanceof StaticQuantizer)) return report;
  const { clip, scale, zeroPoint, min, max } = quantizer.range();
  return {
    ...report,
    dtype: kind !== "weight" ? "float32" : quantizer.stored.qmin < 0 ? "int8" : "uint8",
    clip: clip.length === 0 ? null : perChannel(clip),
    scale: perChannel(scale),
    zero_point: perChannel(zeroPoint),
    output_min: Math.min(...min),
    output_max: Math.max(...max),
  };
}
