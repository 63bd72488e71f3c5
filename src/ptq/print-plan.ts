/** A plan as text: the model as Distiller prints it. */
import type { Seq2SeqModel } from "../models/model.ts";
import { shortPath } from "../models/layer-paths.ts";
import type { QuantLayer } from "../layers/quant-layer.ts";
import { followsDistiller } from "../quant/config.ts";
import type { PlanEntry, QuantPlan } from "./plan.ts";

/** What the printed settings of a quantizer begin with: that of the kernel is `weights`. */
function labelOf({ name, role }: PlanEntry): string {
  return role === "weight" ? "weights" : name;
}

/**
 * The layers as a tree, each with its settings, scales and zero points. As in Distiller, scales are
 * steps per unit, 1/scale of ours, and zero points are subtracted: −1 times ours.
 */
export function printPlan(model: Seq2SeqModel, plan: QuantPlan): string {
  const byLayer = new Map<string, PlanEntry[]>();
  for (const entry of plan.entries) {
    byLayer.set(entry.layer, [...(byLayer.get(entry.layer) ?? []), entry]);
  }
  const floats = new Map(
    plan.floats.map(({ path, bits, reason }) => [path, `float${bits} (${reason})`]),
  );
  const layers = model.layers();
  const inner = new Set(layers.flatMap(({ sublayers }) => sublayers));
  const lines = layers
    .filter((layer) => !inner.has(layer))
    .flatMap((layer) => layerLines(layer, "", { byLayer, floats }))
    .map((line) => `  ${line}`);
  return [`${model.className}(`, ...lines, ")"].join("\n");
}

interface Places {
  readonly byLayer: ReadonlyMap<string, readonly PlanEntry[]>;
  /** What stays float: the precision and why, by short path. */
  readonly floats: ReadonlyMap<string, string>;
}

function layerLines(layer: QuantLayer, parent: string, places: Places): string[] {
  const path = shortPath(layer.name);
  const name = path.startsWith(`${parent}/`) ? path.slice(parent.length + 1) : path;
  const entries = places.byLayer.get(path) ?? [];
  const floats = [...places.floats].filter(([place]) => parentOf(place) === path);
  const body = [
    ...entries.flatMap(entryLines),
    ...entries.slice(0, 1).flatMap(sharedLines),
    ...floats.map(([place, text]) => `${place.slice(path.length + 1)}: ${text}`),
    ...layer.sublayers.flatMap((sublayer) => layerLines(sublayer, path, places)),
  ];
  const title = `(${name}): ${layer.getClassName()}(`;
  return body.length === 0 ? [`${title})`] : [title, ...body.map((line) => `  ${line}`), ")"];
}

function entryLines(entry: PlanEntry): string[] {
  const label = labelOf(entry);
  const isWeight = entry.role === "weight";
  const scales =
    entry.grids.length === 0
      ? []
      : [
          `  ${label}_scale=${distillerText(entry.grids.map(({ scale }) => 1 / scale))}, ` +
            `${label}_zero_point=${distillerText(entry.grids.map(({ zeroPoint }) => 0 - zeroPoint))}`,
        ];
  return [
    `${label}_quant_settings=${settingsText(entry)}`,
    ...(isWeight ? [] : [`  preset_activation_stats=${pythonBool(entry.source !== "live")}`]),
    ...scales,
    `  range: ${entry.reason}`,
  ];
}

/** What all quantizers of a layer share. */
function sharedLines({ settings }: PlanEntry): string[] {
  const { scaleApproxMultBits: bits, compat } = settings;
  return [
    ...(followsDistiller(compat)
      ? [
          `accum_quant_settings=${settingsTuple({ bits: 32, mode: settings.actMode, clip: "none" })}`,
        ]
      : []),
    `scale_approx_mult_bits=${bits ?? "None"}`,
  ];
}

function settingsText({ settings, spec, role, method, ranges }: PlanEntry): string {
  const { clipNStds: nStds, clipHalfRange: half } = settings;
  const perChannel = role === "weight" && ranges.length > 1;
  return settingsTuple({ bits: spec.bits, mode: spec.mode, clip: method, nStds, half, perChannel });
}

interface TupleParts {
  readonly bits: number;
  readonly mode: string;
  readonly clip: string;
  readonly nStds?: number | null;
  readonly half?: boolean;
  readonly perChannel?: boolean;
}

function settingsTuple(parts: TupleParts): string {
  const { bits, mode, clip, nStds = null, half = false, perChannel = false } = parts;
  return (
    `(num_bits=${bits} ; quant_mode=${mode.toUpperCase()} ; clip_mode=${clip.toUpperCase()} ; ` +
    `clip_n_stds=${nStds ?? "None"} ; clip_half_range=${pythonBool(half)} ; ` +
    `per_channel=${pythonBool(perChannel)})`
  );
}

/** Six decimals, or PerCh where there is one for each channel. */
function distillerText(values: readonly number[]): string {
  return values.length === 1 ? values[0]!.toFixed(6) : "PerCh";
}

function pythonBool(value: boolean): string {
  return value ? "True" : "False";
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}
