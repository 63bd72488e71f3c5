/** What post-training quantization did to each tensor, and why. */
import type * as tf from "@tensorflow/tfjs";
import { roundFloat16 } from "../core/float16.ts";
import { channelLayout, fakeQuantArray } from "../core/quantize.ts";
import { shortPath } from "../models/layer-paths.ts";
import type { Seq2SeqModel } from "../models/model.ts";
import { isRangeName } from "../quant/clip-name.ts";
import { clipStatistics } from "../quant/clip-statistics.ts";
import { Distribution } from "../quant/distribution.ts";
import { StaticQuantizer } from "../quant/quantizers.ts";
import type { PlanEntry, PlanRole, QuantPlan, RangeSource } from "./plan.ts";

/** One number, or one for each channel. */
type PerChannel = number | readonly number[];

/** One quantized weight or activation. Names are those of the JSON report. */
export interface QuantizedTensorReport {
  /** Short path. */
  readonly path: string;
  readonly role: PlanRole;
  readonly bits: number;
  readonly mode: string;
  /** Real size of one step; null where the live tensor decides, as for the next three. */
  readonly scale: PerChannel | null;
  /** The stored code of zero. */
  readonly zero_point: PerChannel | null;
  /** Smallest and largest value on the grid, of all channels. */
  readonly min: number | null;
  readonly max: number | null;
  readonly source: RangeSource;
  /** The method, the limit and the overrides that decided. */
  readonly reason: string;
  /** Share of the values beyond the ends of the grid; null where no histogram tells. */
  readonly saturated: number | null;
  /**
   * Signal over rounding noise, dB; of weights exactly, of activations as the histogram leads to expect,
   * values beyond a limit counting as the limit. Null where nothing tells, or there is no noise.
   */
  readonly sqnr_db: number | null;
}

/** A tensor or an operation's result that stays float. */
export interface FloatReport {
  readonly path: string;
  /** 16: rounded to half precision. */
  readonly bits: 16 | 32;
  readonly reason: string;
  /** Of weights in half precision: signal over rounding noise, dB. Else null. */
  readonly sqnr_db: number | null;
}

/** The whole outcome. */
export interface QuantReport {
  readonly tensors: readonly QuantizedTensorReport[];
  readonly floats: readonly FloatReport[];
  readonly notes: readonly string[];
}

/** The report of a quantized model. Waits for the backend. */
export function reportOf(
  model: Seq2SeqModel,
  { entries, floats }: QuantPlan,
  notes: readonly string[],
): QuantReport {
  const weights = new Set(entries.map(({ quantizer }) => quantizer.path));
  const kept = new Set(floats.map(({ path }) => path));
  const names = [...model.variables.keys()].filter((name) => !isRangeName(name));
  const byPath = new Map(names.map((name) => [shortPath(name), name]));
  const places = floats.map((place) => {
    const name = place.bits === 16 ? byPath.get(place.path) : undefined;
    const variable = name === undefined ? undefined : model.variables.get(name);
    return { ...place, sqnr_db: variable === undefined ? null : float16Ratio(variable) };
  });
  const half = new Set(floats.filter(({ bits }) => bits === 16).map(({ path }) => path));
  const variables = names
    .filter((name) => !weights.has(name) && !kept.has(shortPath(name)))
    .map((name) => variableReport(shortPath(name), half));
  return {
    tensors: entries.map((entry) => tensorReport(model, entry)),
    floats: [...places, ...variables],
    notes,
  };
}

function tensorReport(model: Seq2SeqModel, entry: PlanEntry): QuantizedTensorReport {
  const { path, role, spec, grids, source, reason } = entry;
  const isLive = grids.length === 0;
  return {
    ...{ path, role, bits: spec.bits, mode: spec.mode },
    scale: isLive ? null : perChannel(grids.map(({ scale }) => scale)),
    zero_point: isLive ? null : perChannel(grids.map(({ zeroPoint }) => zeroPoint)),
    min: isLive ? null : grids.reduce((least, { lowest }) => Math.min(least, lowest), Infinity),
    max: isLive ? null : grids.reduce((most, { highest }) => Math.max(most, highest), -Infinity),
    ...{ source, reason },
    ...(role === "weight" ? weightFigures(model, entry) : activationFigures(entry)),
  };
}

type Figures = Pick<QuantizedTensorReport, "saturated" | "sqnr_db">;

function weightFigures(model: Seq2SeqModel, { quantizer, grids }: PlanEntry): Figures {
  const variable = model.variables.get(quantizer.path)!;
  const axis = quantizer instanceof StaticQuantizer && grids.length > 1 ? quantizer.axis : null;
  const layout = channelLayout(variable.shape, axis);
  const values = variable.dataSync<"float32">();
  const rounded = fakeQuantArray(values, new Float32Array(values.length), grids, layout);
  let [outside, signal, noise] = [0, 0, 0];
  for (let at = 0, channel = 0; at < values.length; channel = (channel + 1) % grids.length) {
    const { lowest, highest } = grids[channel]!;
    for (const end = at + layout.inner; at < end; at++) {
      const x = values[at]!;
      const error = x - rounded[at]!;
      if (x < lowest || x > highest) outside++;
      signal += x * x;
      noise += error * error;
    }
  }
  return { saturated: outside / values.length, sqnr_db: decibels(signal, noise) };
}

function activationFigures({ statistics, grids, limit }: PlanEntry): Figures {
  const histogram = statistics?.histogram ?? null;
  const [grid] = grids;
  if (statistics === null || histogram === null || grid === undefined) {
    return { saturated: null, sqnr_db: null };
  }
  const seen = limit === null ? histogram : clipStatistics(statistics, limit).histogram!;
  const distribution = new Distribution(seen);
  return {
    saturated: new Distribution(histogram).saturated(grid),
    sqnr_db: decibels(distribution.energy, distribution.squaredError(grid)),
  };
}

function decibels(signal: number, noise: number): number | null {
  return signal > 0 && noise > 0 ? 10 * Math.log10(signal / noise) : null;
}

function perChannel(values: readonly number[]): PerChannel {
  return values.length === 1 ? values[0]! : values;
}

/** Signal over the noise of rounding to half precision, dB. */
function float16Ratio(variable: tf.Variable): number | null {
  let [signal, noise] = [0, 0];
  for (const x of variable.dataSync<"float32">()) {
    signal += x * x;
    noise += (x - roundFloat16(x)) ** 2;
  }
  return decibels(signal, noise);
}

/** A variable without a quantizer. @param half short paths of what is in half precision */
function variableReport(path: string, half: ReadonlySet<string>): FloatReport {
  const layer = path.slice(0, path.lastIndexOf("/"));
  const isHalf =
    path.endsWith("/bias") && ["kernel", "weights"].some((name) => half.has(`${layer}/${name}`));
  return isHalf
    ? { path, bits: 16, reason: "added after the product", sqnr_db: null }
    : { path, bits: 32, reason: whyFloat(path), sqnr_db: null };
}

function whyFloat(name: string): string {
  if (name.endsWith("/normalize_bias")) return "added to queries and keys, in float32";
  if (name.endsWith("bias")) return "added after the product, in float32";
  if (/\/(gamma|beta)$/.test(name)) return "layer normalisation, in float32";
  if (name.endsWith("/normalize_scalar")) return "factor of the attention's scores, in float32";
  return "enters no product";
}
