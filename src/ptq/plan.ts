/** What post-training quantization will do to each weight and activation, before anything runs. */
import type * as tf from "@tensorflow/tfjs";
import { rangeGrid, type RangeGrid, type RangeSpec, type ValueRange } from "../core/range-grid.ts";
import type { ModelStatistics, TensorStatistics } from "../core/tensor-statistics.ts";
import { TokenEmbedding } from "../layers/embedding.ts";
import type { QuantLayer } from "../layers/quant-layer.ts";
import { shortPath } from "../models/layer-paths.ts";
import type { Seq2SeqModel } from "../models/model.ts";
import { clipStatistics } from "../quant/clip-statistics.ts";
import { type ClipMethod, followsDistiller, type QuantOverride } from "../quant/config.ts";
import { Float16Quantizer } from "../quant/float16-quantizer.ts";
import type { LayerQuantSettings } from "../quant/policy.ts";
import { type Quantizer, StaticQuantizer } from "../quant/quantizers.ts";
import { chooseRange } from "../quant/range-methods.ts";
import { RANGE_SEARCHES } from "../quant/range-search.ts";
import { statisticsOf } from "../quant/tensor-statistics.ts";
import { weightStatistics } from "../quant/weight-statistics.ts";
import { rangeLimit } from "./net-aware.ts";

/** What a quantizer serves. */
export type PlanRole = "weight" | "input" | "activation";

/** Where a range comes from. */
export type RangeSource = "weights" | "statistics" | "given" | "constant" | "live";

/** One quantizer. */
export interface PlanEntry {
  /** Short path. */
  readonly path: string;
  /** Name of the quantizer in its layer, such as `kernel` or `output`. */
  readonly name: string;
  /** Short path and class of the layer. */
  readonly layer: string;
  readonly layerClass: string;
  readonly role: PlanRole;
  readonly quantizer: Quantizer;
  readonly settings: LayerQuantSettings;
  /** How its range is chosen; what does not apply to a constant, given or live range. */
  readonly method: ClipMethod;
  readonly spec: RangeSpec;
  readonly source: RangeSource;
  /** In words: the method, the limit and the overrides that decided. */
  readonly reason: string;
  /** One, or one for each channel; none where the live tensor decides. */
  readonly ranges: readonly ValueRange[];
  readonly grids: readonly RangeGrid[];
  /** What was seen of the activation; null for weights and where nothing was. */
  readonly statistics: TensorStatistics | null;
  /** Beyond which its reader tells nothing apart; null where all matters. */
  readonly limit: ValueRange | null;
}

/** A weight, an input or a result in float. */
export interface FloatPlace {
  /** Short path. */
  readonly path: string;
  /** 16: rounded to half precision. */
  readonly bits: 16 | 32;
  /** The override or setting that decided. */
  readonly reason: string;
}

/** A plan, and what stays float. */
export interface QuantPlan {
  readonly entries: readonly PlanEntry[];
  /** What settings keep in float. */
  readonly floats: readonly FloatPlace[];
}

/**
 * Where else to look for statistics of a tensor: at the same operation by Distiller's name, and at what
 * reads the same tensor.
 */
const ELSEWHERE: readonly (readonly [path: RegExp, other: string])[] = [
  [/^decoder\/eltwiseconcats\/(\d+)\/output$/, "decoder/attention_concats/$1/output"],
  [/^encoder\/output$/, "decoder/att_rnn/attn/linear_k/input"],
];

/**
 * The statistics that tell the range of a quantizer; null without any.
 * @param path short path
 */
export function statisticsFor(
  statistics: ModelStatistics | null,
  path: string,
): TensorStatistics | null {
  if (statistics === null) return null;
  const others = ELSEWHERE.filter(([own]) => own.test(path));
  const paths = [path, ...others.map(([own, other]) => path.replace(own, other))];
  const found = paths.map((candidate) => statisticsOf(statistics, candidate));
  return found.find((record) => record !== null) ?? null;
}

/** What a plan is made from. */
export interface PlanSources {
  /** Null: every activation takes its range from the live tensor. */
  readonly statistics: ModelStatistics | null;
  /** Float weights by checkpoint name. */
  readonly weights: ReadonlyMap<string, tf.Variable>;
}

/**
 * The plan of a quantized model, whose own weights and ranges need not be set yet.
 * @throws {ConfigError} where statistics lack what a method needs
 */
export function planModel(model: Seq2SeqModel, sources: PlanSources): QuantPlan {
  const layers = model.layers();
  const entries = layers.flatMap((layer) =>
    [...layer.quantizers]
      .filter(([, quantizer]) => !(quantizer instanceof Float16Quantizer))
      .map(([name, quantizer]) => planQuantizer({ layer, name, quantizer, ...sources })),
  );
  return { entries, floats: floatPlaces(layers) };
}

/** An activation whose range neither the settings nor statistics tell. */
export interface UnseenActivation {
  /** Short path. */
  readonly path: string;
  /** How its range would have been chosen. */
  readonly method: ClipMethod;
}

/** The activations that have to take their ranges from the live tensor. */
export function unseenActivations(
  model: Seq2SeqModel,
  statistics: ModelStatistics | null,
): UnseenActivation[] {
  return model.layers().flatMap((layer) =>
    [...layer.quantizers.values()].flatMap(({ kind, path }) => {
      const settings = layer.policy.for(path)!;
      if (settings.floatBits !== null) return [];
      const isConstant = kind === "softmax" && !followsDistiller(settings.compat);
      if (kind === "weight" || isConstant || settings.dynamic || settings.actClipMax !== null) {
        return [];
      }
      const short = shortPath(path);
      const isSeen = statisticsFor(statistics, short) !== null;
      return isSeen ? [] : [{ path: short, method: settings.actClip }];
    }),
  );
}

interface PlanInputs extends PlanSources {
  readonly layer: QuantLayer;
  readonly name: string;
  readonly quantizer: Quantizer;
}

function planQuantizer(inputs: PlanInputs): PlanEntry {
  const { layer, name, quantizer, statistics } = inputs;
  const { kind, bits, path } = quantizer;
  const settings = layer.policy.for(path)!;
  const isWeight = kind === "weight";
  const spec: RangeSpec = {
    ...{ kind, bits, mode: isWeight ? settings.weightMode : settings.actMode },
    compat: distillerOrNone(settings.compat),
    scaleApproxMultBits: settings.scaleApproxMultBits,
  };
  const short = shortPath(path);
  const seen = isWeight ? null : statisticsFor(statistics, short);
  const choice = isWeight ? weightRanges(inputs, settings, spec) : actRange(inputs, settings, spec);
  return {
    ...{ path: short, name, layer: shortPath(layer.name), layerClass: layer.getClassName() },
    role: isWeight ? "weight" : name === "input" ? "input" : "activation",
    ...{ quantizer, settings, spec, statistics: seen },
    method: isWeight ? settings.weightClip : settings.actClip,
    source: choice.source,
    reason: [choice.reason, ...overrideReasons(layer, path)].join("; "),
    limit: choice.limit ?? null,
    ranges: choice.ranges,
    grids: choice.ranges.map((range) => rangeGrid(spec, range)),
  };
}

interface Choice {
  readonly ranges: readonly ValueRange[];
  readonly source: RangeSource;
  readonly reason: string;
  readonly limit?: ValueRange | null;
}

function weightRanges(
  { layer, quantizer, weights }: PlanInputs,
  settings: LayerQuantSettings,
  spec: RangeSpec,
): Choice {
  const axis = quantizer instanceof StaticQuantizer ? quantizer.axis : null;
  const { path } = quantizer;
  const { weightClipMax: given, weightClip: method } = settings;
  const weight = weights.get(path)!;
  const perChannel = axis !== null;
  const granularity = perChannel ? `per channel, axis ${axis}` : "per tensor";
  if (given !== null) {
    const count = perChannel ? weight.shape[axis]! : 1;
    const ranges = Array.from({ length: count }, () => ({ lo: -given, hi: given }));
    return { ranges, source: "given", reason: `quant_weight_clip_max, ${granularity}` };
  }
  const values = weight.dataSync<"float32">();
  const channelAxis = axis ?? (layer instanceof TokenEmbedding ? 0 : weight.rank - 1);
  const wantsHistogram = Object.hasOwn(RANGE_SEARCHES, method);
  const records = weightStatistics(
    { values, shape: weight.shape, channelAxis, where: path },
    { perChannel, wantsHistogram },
  );
  const options = { method, spec, halfRange: settings.clipHalfRange, where: shortPath(path) };
  const ranges = Array.from(records, (record) =>
    chooseRange(record, { ...options, nStds: settings.clipNStds }),
  );
  return { ranges, source: "weights", reason: `${method} of the weights, ${granularity}` };
}

function actRange(
  { layer, name, quantizer, statistics }: PlanInputs,
  settings: LayerQuantSettings,
  spec: RangeSpec,
): Choice {
  const path = shortPath(quantizer.path);
  if (spec.kind === "softmax" && spec.compat === "none") {
    return { ranges: [{ lo: 0, hi: 1 }], source: "constant", reason: "probabilities" };
  }
  const { actClipMax: given, actClip: method } = settings;
  if (given !== null) {
    const range = { lo: spec.kind === "relu" ? 0 : -given, hi: given };
    return { ranges: [range], source: "given", reason: "quant_act_clip_max" };
  }
  const own = statisticsFor(statistics, path);
  if (settings.dynamic || own === null) {
    const reason =
      own === null ? "no statistics: range of the live tensor" : "range of the live tensor";
    return { ranges: [], source: "live", reason };
  }
  const limit = settings.netAware ? rangeLimit(layer, name) : null;
  const record = limit === null ? own : clipStatistics(own, limit.range);
  const range = chooseRange(record, {
    ...{ method, spec, halfRange: settings.clipHalfRange, nStds: settings.clipNStds, where: path },
  });
  const within =
    limit === null ? "" : ` within ${limit.range.lo} … ${limit.range.hi} (${limit.reason})`;
  const reason = method + within;
  return { ranges: [range], source: "statistics", reason, limit: limit?.range ?? null };
}

function distillerOrNone(compat: LayerQuantSettings["compat"]): RangeSpec["compat"] {
  return followsDistiller(compat) ? (compat as RangeSpec["compat"]) : "none";
}

function overrideReasons({ policy }: QuantLayer, path: string): string[] {
  return policy.overridesOf(path).map(({ match }) => `override ${match}`);
}

function floatPlaces(layers: readonly QuantLayer[]): QuantPlan["floats"] {
  const policy = layers[0]?.policy;
  if (policy === undefined) return [];
  return [...policy.decisions].flatMap(([path, settings]) => {
    if (settings !== null && settings.floatBits === null) return [];
    const decides = ({ enable, quant_float_bits: bits }: QuantOverride): boolean =>
      settings === null ? enable === false : bits !== undefined;
    const override = policy.overridesOf(path).find(decides);
    const reason = override === undefined ? "quant_float_bits" : `override ${override.match}`;
    return [{ path, bits: settings?.floatBits ?? 32, reason }];
  });
}
