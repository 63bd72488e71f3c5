/** What the tensors of a model directory, a checkpoint or an int8 export look like. */
import { qtypeOf } from "../core/qtype.ts";
import { isInt8Export, loadInt8 } from "../export/load-int8.ts";
import { fullName, shortPath } from "../models/layer-paths.ts";
import { loadCheckpoint } from "../train/checkpoint-store.ts";
import type { Weights } from "../train/weights.ts";
import { hasModelConfigs, modelDirectoryOf } from "./model-configs.ts";
import { recipeOfModel } from "./sources.ts";

/** One number, or one for each channel. */
export type PerChannel = number | readonly number[];

/** One tensor, or the range of one activation. */
export interface TensorReport {
  /** Short path, such as `encoder/layer_0/ffn/dense1/kernel`. */
  readonly path: string;
  /** Name in the checkpoint. */
  readonly name: string;
  readonly role: "quantized weight" | "float tensor" | "activation range";
  readonly shape: readonly number[];
  /** Type of what is deployed: int8 codes for quantized weights. */
  readonly dtype: "float32" | "int8";
  readonly bits: number | null;
  /** The trained clip; null for float tensors and for constant ranges. */
  readonly clip: PerChannel | null;
  /** Real size of one integer step. */
  readonly scale: PerChannel | null;
  /** Smallest and largest value that codes express. */
  readonly output_min: number | null;
  readonly output_max: number | null;
  /** Different codes that occur. */
  readonly used_levels: number | null;
  /** Share of the codes at an end of their range. */
  readonly saturated: number | null;
}

/** A weight's integer matrix. */
export interface CodesReport extends TensorReport {
  readonly codes: Int8Array;
}

/** All tensors of a model. */
export interface ModelReport {
  readonly path: string;
  readonly format: "float" | "quantized" | "int8";
  readonly step: number | null;
  readonly tensors: readonly TensorReport[];
  /** Codes of the quantized weights by checkpoint name. */
  readonly codes: ReadonlyMap<string, Int8Array>;
}

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

/** Reports of tensors that are not quantized. */
export function floatReports(weights: Weights): TensorReport[] {
  return [...weights].map(([name, { shape }]) => floatReport(name, shape));
}

function floatReport(name: string, shape: readonly number[]): TensorReport {
  return {
    path: shortPath(name),
    name,
    role: "float tensor",
    shape,
    dtype: "float32",
    bits: null,
    clip: null,
    scale: null,
    output_min: null,
    output_max: null,
    used_levels: null,
    saturated: null,
  };
}

function inspectInt8(path: string): ModelReport {
  const { model } = loadInt8(path);
  const weights = [...model.weights].map(
    ([name, { shape, codes, scale, record }]): TensorReport => ({
      ...floatReport(name, shape),
      role: "quantized weight",
      dtype: "int8",
      bits: record.bits,
      clip: record.clip_max,
      scale: perChannel(scale),
      output_min: record.min,
      output_max: record.max,
      ...codeFigures(codes, record.bits),
    }),
  );
  const floats = [...model.floats].map(([name, { shape }]) => floatReport(name, shape));
  const ranges = Object.entries(model.record.activations).map(([name, record]): TensorReport => ({
    ...floatReport(name, []),
    role: "activation range",
    bits: record.bits,
    clip: record.clip_max,
    scale: record.scale,
    output_min: record.min,
    output_max: record.max,
  }));
  return {
    path,
    format: "int8",
    step: null,
    tensors: [...weights, ...floats, ...ranges].sort((a, b) => (a.path < b.path ? -1 : 1)),
    codes: new Map([...model.weights].map(([name, { codes }]) => [name, codes])),
  };
}

/** One value alone, or all of them. */
export function perChannel(values: Float32Array): PerChannel {
  return values.length === 1 ? values[0]! : Array.from(values);
}

/** How a weight's codes use their range. */
export function codeFigures(
  codes: Int8Array,
  bits: number,
): Pick<TensorReport, "used_levels" | "saturated"> {
  const { qmin, qmax } = qtypeOf("weight", bits);
  let ends = 0;
  for (const code of codes) if (code === qmin || code === qmax) ends++;
  return { used_levels: new Set(codes).size, saturated: ends / codes.length };
}
