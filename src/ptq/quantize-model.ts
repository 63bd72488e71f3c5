/** A model and statistics of its activations to a quantized model: post-training quantization. */
import * as tf from "@tensorflow/tfjs";
import { createModel } from "../models/catalogue.ts";
import type { Seq2SeqModel } from "../models/model.ts";
import {
  followsDistiller,
  type QuantConfig,
  type QuantOverride,
  type QuantParamsInput,
  resolveQuantConfig,
} from "../quant/config.ts";
import { isRangeName } from "../quant/clip-name.ts";
import { ConfigError } from "../errors.ts";
import { StaticQuantizer } from "../quant/quantizers.ts";
import { RANGE_SEARCHES } from "../quant/range-search.ts";
import type { ModelStatistics } from "../core/tensor-statistics.ts";
import { operationsOf, unknownOperations } from "./operations.ts";
import { type OverridesFile, resolveOverrides } from "./overrides.ts";
import { planModel, type QuantPlan, type UnseenActivation, unseenActivations } from "./plan.ts";
import { type QuantReport, reportOf } from "./report.ts";
import { treatmentOverrides, type Treatments } from "./treatments.ts";

/** How a model is quantized. */
export interface QuantizeOptions {
  /** Of its activations; null: every activation takes its range from the live tensor [default]. */
  readonly statistics?: ModelStatistics | null;
  /**
   * `quant_params` [default: symmetric codes, activations by mse, weights per channel with their full
   * range, cell states of 16 bits, ranges no wider than the next activation can tell apart].
   */
  readonly quantParams?: QuantParamsInput;
  /** Of a file; they go before those of quantParams [default: none]. */
  readonly overrides?: OverridesFile | null;
  /** By class of layer; they go after all overrides [default: none]. */
  readonly treatments?: Treatments;
}

/** A quantized model whose weights and ranges are still to be set. */
export interface PreparedQuantization {
  /** New; the caller disposes it. */
  readonly model: Seq2SeqModel;
  readonly config: QuantConfig;
  readonly plan: QuantPlan;
  /** One line for each thing that a user should know. */
  readonly notes: readonly string[];
}

/** A quantized model. */
export interface QuantizedModel {
  /** New, on its ranges; the caller disposes it. */
  readonly model: Seq2SeqModel;
  readonly report: QuantReport;
}

/**
 * Quantizes a model: a new one with the same weights and with ranges from statistics. The given one,
 * float or quantized, stays as it is. Waits for the backend.
 * @throws {ConfigError} for settings, overrides or statistics that do not fit
 */
export function quantizeModel(source: Seq2SeqModel, options: QuantizeOptions = {}): QuantizedModel {
  return applyQuantization(source, prepareQuantization(source, options));
}

/**
 * The plan of {@link quantizeModel} and the model to carry it out on. Nothing runs yet.
 * @throws {ConfigError} as {@link quantizeModel}
 */
export function prepareQuantization(
  source: Seq2SeqModel,
  options: QuantizeOptions = {},
): PreparedQuantization {
  const { statistics = null, overrides: file = null, treatments = {} } = options;
  const base = withDefaults(options);
  const early = file?.dialect === "tfjs-qat" ? file.overrides : [];
  let config: QuantConfig = { ...base, overrides: [...early, ...base.overrides] };
  let model = modelLike(source, config);
  try {
    const notes: string[] = [];
    // What needs the operations of the model is told by a first one.
    const late = file?.dialect === "distiller" ? resolveOverrides(file, operationsOf(model)) : null;
    notes.push(...(late?.notes ?? []));
    const treated = treatmentOverrides(model, treatments);
    const rebuild = (overrides: readonly QuantOverride[]): void => {
      config = { ...config, overrides };
      model.dispose();
      model = modelLike(source, config);
    };
    if (late !== null || treated.length > 0) {
      rebuild([...(late?.overrides ?? []), ...config.overrides, ...treated]);
    }
    if (statistics !== null) refuseForeign(statistics, model);
    const unseen = statistics === null ? [] : unseenActivations(model, statistics);
    if (unseen.length > 0) {
      rebuild([...unseen.map(liveOverride), ...config.overrides]);
      notes.push(
        ...unseen.map(({ path }) => `${path}: no statistics, its range is that of the live tensor`),
      );
    }
    const plan = planModel(model, { statistics, weights: source.variables });
    return { model, config, plan, notes };
  } catch (error) {
    model.dispose();
    throw error;
  }
}

/**
 * Gives the prepared model the weights of its source and the ranges of the plan.
 * @returns the same model; disposes it where a weight does not fit
 */
export function applyQuantization(
  source: Seq2SeqModel,
  { model, plan, notes }: PreparedQuantization,
): QuantizedModel {
  try {
    copyWeights(source, model);
    for (const { quantizer, ranges } of plan.entries) {
      if (!(quantizer instanceof StaticQuantizer)) continue;
      quantizer.assignRange({
        lo: ranges.map(({ lo }) => lo),
        hi: ranges.map(({ hi }) => hi),
      });
    }
    return { model, report: reportOf(model, plan, notes) };
  } catch (error) {
    model.dispose();
    throw error;
  }
}

/** Statistics of a part of the model are welcome; those of another model are a mistake. */
function refuseForeign(statistics: ModelStatistics, model: Seq2SeqModel): void {
  const unknown = unknownOperations([...statistics.keys()], model);
  if (2 * unknown.length <= statistics.size) return;
  throw new ConfigError(
    `statistics: expected those of a ${model.className} with these layers, received ` +
      `${unknown.length} of ${statistics.size} operations that it does not have, such as ` +
      `"${unknown[0]!}". Collect them of this model with "tfjs-qat calibrate".`,
  );
}

/** Searches need more than the live tensor: its whole range is taken. */
function liveOverride({ path, method }: UnseenActivation): QuantOverride {
  const isSearch = Object.hasOwn(RANGE_SEARCHES, method);
  return { match: path, quant_dynamic: true, quant_act_clip: isSearch ? "none" : method };
}

function withDefaults({ statistics = null, quantParams = {} }: QuantizeOptions): QuantConfig {
  const compat = quantParams.quant_compat ?? "none";
  const perChannel = followsDistiller(compat) ? {} : { quant_per_channel: true };
  const dynamic = statistics === null ? { quant_dynamic: true } : {};
  return resolveQuantConfig({ ...perChannel, ...quantParams, ...dynamic });
}

function modelLike(source: Seq2SeqModel, quantConfig: QuantConfig): Seq2SeqModel {
  const { className, params, sourceVocabSize, targetVocabSize } = source;
  return createModel(className, {
    ...{ params, sourceVocabSize, targetVocabSize, quantConfig },
    // Initial weights do not stay.
    seed: 1,
  });
}

/** Values are copied: the optimizers of some backends write into variables in place. */
function copyWeights(source: Seq2SeqModel, target: Seq2SeqModel): void {
  for (const [name, variable] of target.variables) {
    if (isRangeName(name)) continue;
    const values = source.variables.get(name)!.dataSync<"float32">();
    tf.tidy(() => {
      variable.assign(tf.tensor(Float32Array.from(values), variable.shape, "float32"));
    });
  }
}
