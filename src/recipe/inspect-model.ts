/** What the tensors of a model directory, a checkpoint or an int8 export look like. */
import { isInt8Export, loadInt8 } from "../export/load-int8.ts";
import { fullName } from "../models/layer-paths.ts";
import { loadCheckpoint } from "../train/checkpoint-store.ts";
import { hasModelConfigs, modelDirectoryOf } from "./model-configs.ts";
import { recipeOfModel } from "./sources.ts";
import {
  codeFigures,
  float16Report,
  floatReport,
  floatReports,
  perChannel,
  type CodesReport,
  type ModelReport,
  type TensorReport,
} from "./tensor-report.ts";

/**
 * Inspects a model directory (its last or best checkpoint), a checkpoint file, or an int8 export.
 * Codes of a training checkpoint are made by the trained layers themselves.
 */
export async function inspectModel(path: string): Promise<ModelReport> {
  if (isInt8Export(path)) return inspectInt8(path);
  const directory = modelDirectoryOf(path);
  const isQuantized =
    hasModelConfigs(directory) && recipeOfModel(directory).recipe.run.enable_quant;
  if (!isQuantized) return inspectFloat(path);
  const { inspectQuantized } = await import("./inspect-quantized.ts");
  return inspectQuantized(path);
}

/**
 * One weight of a report by its short path or full name.
 * @throws {UnknownNameError} with the nearest path
 */
export function weightReport(report: ModelReport, weight: string): TensorReport | CodesReport {
  const weights = report.tensors.filter(({ role }) => role !== "activation range");
  const name = fullName(
    "--weight",
    weight,
    weights.map((tensor) => tensor.name),
  );
  const tensor = weights.find((candidate) => candidate.name === name)!;
  const codes = report.codes.get(name);
  return codes === undefined ? tensor : { ...tensor, codes };
}

function inspectFloat(path: string): ModelReport {
  const checkpoint = loadCheckpoint(path);
  return {
    path: checkpoint.path,
    format: "float",
    step: checkpoint.step,
    tensors: floatReports(checkpoint.weights),
    codes: new Map(),
  };
}

function inspectInt8(path: string): ModelReport {
  const { model } = loadInt8(path);
  const weights = [...model.weights].map(
    ([name, { shape, codes, scale, zeroPoint, record }]): TensorReport => ({
      ...floatReport(name, shape),
      role: "quantized weight",
      dtype: codes instanceof Int8Array ? "int8" : "uint8",
      bits: record.bits,
      clip: record.clip_max,
      scale: perChannel(scale),
      zero_point: perChannel(zeroPoint),
      output_min: record.min,
      output_max: record.max,
      ...codeFigures(codes, record),
    }),
  );
  const half = new Set(model.record.float16);
  const floats = [...model.floats].map(([name, { shape }]) =>
    half.has(name) ? float16Report(name, shape, "float tensor") : floatReport(name, shape),
  );
  const results = [...half]
    .filter((name) => !model.floats.has(name))
    .map((name) => float16Report(name, [], "activation range"));
  const ranges = Object.entries(model.record.activations).map(([name, record]): TensorReport => ({
    ...floatReport(name, []),
    role: "activation range",
    bits: record.bits,
    clip: record.clip_max,
    scale: record.scale,
    zero_point: record.zero_point,
    output_min: record.min,
    output_max: record.max,
  }));
  const live = Object.entries(model.record.dynamic_activations).map(
    ([name, record]): TensorReport => ({
      ...{ ...floatReport(name, []), role: "activation range", bits: record.bits },
    }),
  );
  return {
    path,
    format: "int8",
    step: null,
    tensors: [...weights, ...floats, ...ranges, ...live, ...results].sort((a, b) =>
      a.path < b.path ? -1 : 1,
    ),
    codes: new Map([...model.weights].map(([name, { codes }]) => [name, codes])),
  };
}
