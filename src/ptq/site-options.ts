/** Which settings of a tensor are worth trying: those with the least rounding noise. */
import type { QuantMode } from "../core/qtype.ts";
import { fullName } from "../models/layer-paths.ts";
import type { Seq2SeqModel } from "../models/model.ts";
import {
  type ClipMethod,
  type QuantConfig,
  type QuantOverride,
  toQuantParams,
} from "../quant/config.ts";
import type { ModelStatistics } from "../core/tensor-statistics.ts";
import { quantizeModel, type QuantizedModel } from "./quantize-model.ts";
import type { QuantizedTensorReport } from "./report.ts";
import type { SearchSite, SiteSettings } from "./search.ts";
import type { WeightSize } from "./weight-bits.ts";

/** What a search starts from. */
export interface SearchBase {
  /** The float model. */
  readonly source: Seq2SeqModel;
  readonly statistics: ModelStatistics | null;
  /** The whole plan, with all overrides. */
  readonly config: QuantConfig;
}

/** A tensor's options at most. */
const MOST_OPTIONS = 4;
const MODES: readonly QuantMode[] = ["symmetric", "asymmetric_signed"];
const WITH_HISTOGRAMS: readonly ClipMethod[] = ["none", "avg", "percentile", "mse", "kl"];
const WITHOUT_HISTOGRAMS: readonly ClipMethod[] = ["none", "avg"];
const OF_WEIGHTS: readonly ClipMethod[] = ["none", "mse"];

/** The model quantized by the plan, with further overrides before the plan's own. */
export function quantizeWith(
  base: SearchBase,
  overrides: readonly QuantOverride[],
): QuantizedModel {
  const { source, statistics, config } = base;
  const all = { ...config, overrides: [...overrides, ...config.overrides] };
  return quantizeModel(source, { statistics, quantParams: toQuantParams(all) });
}

/**
 * The tensors of a quantized model with settings to try in place of the plan's own, ranked by the noise
 * that the statistics lead to expect. The full range is always among them: noise says little where the
 * largest values decide.
 */
export function searchSites(base: SearchBase): SearchSite[] {
  const own = reportByPath(base, []);
  const tried = candidateSettings(base.statistics).map((settings) => {
    const suited = [...own.values()].filter((tensor) => suits(settings, tensor));
    const overrides = suited.map(({ path }) => ({ match: path, ...settings }));
    const paths = new Set(suited.map(({ path }) => path));
    return { settings, paths, reports: reportByPath(base, overrides) };
  });
  return [...own.values()].map((tensor) => {
    const { path } = tensor;
    const options = tried
      .filter(({ paths }) => paths.has(path))
      .map(({ settings, reports }) => ({ settings, found: reports.get(path)! }));
    return {
      path,
      weight: weightSize(base.source, tensor),
      options: shortlist(options, tensor),
    };
  });
}

interface Option {
  readonly settings: SiteSettings;
  readonly found: QuantizedTensorReport;
}

function candidateSettings(statistics: ModelStatistics | null): SiteSettings[] {
  const weights = OF_WEIGHTS.flatMap((clip) =>
    MODES.map((mode) => ({ quant_weight_clip: clip, quant_weight_mode: mode })),
  );
  if (statistics === null) return weights;
  const records = [...statistics.values()].flatMap(({ output }) => output ?? []);
  const hasHistograms = records.some(({ histogram }) => histogram !== null);
  const activations = (hasHistograms ? WITH_HISTOGRAMS : WITHOUT_HISTOGRAMS).flatMap((clip) =>
    MODES.map((mode) => ({ quant_act_clip: clip, quant_act_mode: mode })),
  );
  return [...weights, ...activations];
}

/** Ranges that are constant, given or taken from the live tensor have nothing to choose. */
function suits(settings: SiteSettings, { role, source }: QuantizedTensorReport): boolean {
  if (role === "weight") return settings.quant_weight_clip !== undefined;
  return settings.quant_act_clip !== undefined && source === "statistics";
}

/** Options that give other grids than the plan and than each other, the least noise first. */
function shortlist(options: readonly Option[], own: QuantizedTensorReport): SiteSettings[] {
  const grids = new Set([gridText(own)]);
  const distinct = options
    .toSorted((a, b) => (b.found.sqnr_db ?? 0) - (a.found.sqnr_db ?? 0))
    .filter(({ found }) => !grids.has(gridText(found)) && grids.add(gridText(found)));
  const all = distinct.map(({ settings }) => settings);
  const full = all.find((s) => s.quant_act_clip === "none" || s.quant_weight_clip === "none");
  const best = all.slice(0, MOST_OPTIONS - 1);
  return full === undefined || best.includes(full) ? best : [...best, full];
}

function gridText({ scale, zero_point: zeroPoint, min, max }: QuantizedTensorReport): string {
  return JSON.stringify([scale, zeroPoint, min, max]);
}

function weightSize(
  source: Seq2SeqModel,
  { path, role, scale }: QuantizedTensorReport,
): WeightSize | null {
  if (role !== "weight") return null;
  const name = fullName("weight", path, source.variables.keys());
  const scales = typeof scale === "number" ? 1 : scale!.length;
  return { elements: source.variables.get(name)!.size, scaleBytes: 4 * scales };
}

function reportByPath(
  base: SearchBase,
  overrides: readonly QuantOverride[],
): Map<string, QuantizedTensorReport> {
  const { model, report } = quantizeWith(base, overrides);
  model.dispose();
  return new Map(report.tensors.map((tensor) => [tensor.path, tensor]));
}
