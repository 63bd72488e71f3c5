/** Which quantizer a weight or an activation gets by its settings. */
import type { QuantKind } from "../core/qtype.ts";
import { rangeGrid, type RangeSpec } from "../core/range-grid.ts";
import { ConfigError } from "../errors.ts";
import { AffineQuantizer } from "./affine-quantizer.ts";
import { clipName, scaleName, zeroPointName } from "./clip-name.ts";
import { followsDistiller } from "./config.ts";
import { DynamicQuantizer } from "./dynamic-quantizer.ts";
import { Float16Quantizer } from "./float16-quantizer.ts";
import type { LayerQuantSettings } from "./policy.ts";
import { ClipQuantizer, type Quantizer, type RangeVariable } from "./quantizers.ts";
import type { QuantStrategy } from "./strategies.ts";

/** What is to be quantized. */
export interface QuantizerSite {
  /** Full path of the layer. */
  readonly layer: string;
  /** Name of the weight or activation in the layer. */
  readonly name: string;
  readonly kind: QuantKind;
  /** `product`: the values may be multiplied as codes; `cell`: the cell state of an LSTM. */
  readonly use: ValueUse;
  /** Channel axis and number of channels, or null for one range. */
  readonly channels: { readonly axis: number; readonly count: number } | null;
  readonly settings: LayerQuantSettings;
  readonly strategy: QuantStrategy;
}

/** Where the values of a quantizer go: only what enters no product may have more than 8 bits. */
export type ValueUse = "product" | "elementwise" | "cell";

/** Creates a variable of the layer, filled with one value. */
export type AddVariable = (
  name: string,
  options: { readonly shape: number[]; readonly value: number; readonly trainable: boolean },
) => RangeVariable;

/**
 * The quantizer of a site with the variables it needs: a clip that can be learnt, the scale and zero
 * point of an observed range, or none where each tensor has a range of its own.
 * @returns null where the site computes in float32
 * @throws {ConfigError} for settings that cannot be had together
 */
export function makeQuantizer(site: QuantizerSite, addVariable: AddVariable): Quantizer | null {
  const { layer, name, channels, settings } = site;
  if (settings.floatBits === 32) return null;
  if (settings.floatBits === 16) {
    return new Float16Quantizer({ path: `${layer}/${name}`, kind: site.kind });
  }
  const spec = rangeSpecOf(site);
  checkBits(site, spec.bits);
  if (isLearnable(site, spec)) return clipQuantizer(site, spec, addVariable);
  if (settings.rounding !== "half_even") {
    throw new ConfigError(
      `quant_rounding of "${layer}/${name}": expected half_even for ranges that are observed, ` +
        `received ${settings.rounding}. Leave quant_rounding out.`,
    );
  }
  const path = `${layer}/${name}`;
  if (settings.dynamic && site.kind !== "weight") {
    const { actClip: method, clipNStds: nStds, clipHalfRange: halfRange } = settings;
    return new DynamicQuantizer({ path, spec, method, nStds, halfRange });
  }
  const given = givenClip(site);
  const range = given === null ? { lo: 0, hi: 0 } : { lo: -given, hi: given };
  const start = rangeGrid(spec, range);
  const shape = channels === null ? [] : [channels.count];
  const variable = (of: (name: string) => string, value: number): RangeVariable =>
    addVariable(of(name), { shape, value, trainable: false });
  return new AffineQuantizer({
    ...{ path, spec, axis: channels?.axis ?? null },
    scale: variable(scaleName, start.scale),
    zeroPoint: variable(zeroPointName, start.zeroPoint),
  });
}

/** How a site's range becomes a grid. Distiller knows no kinds besides activations. */
function rangeSpecOf({ kind, use, settings }: QuantizerSite): RangeSpec {
  const isWeight = kind === "weight";
  const compat = settings.compat === "neurst" ? "none" : settings.compat;
  return {
    kind: !isWeight && followsDistiller(compat) ? "act" : kind,
    bits: isWeight ? settings.weightBits : use === "cell" ? settings.cellBits : settings.actBits,
    mode: isWeight ? settings.weightMode : settings.actMode,
    compat,
    scaleApproxMultBits: settings.scaleApproxMultBits,
  };
}

/** Whether one clip says all: the modes of quantization-aware training, and constant ranges. */
function isLearnable({ kind, settings }: QuantizerSite, spec: RangeSpec): boolean {
  if (spec.kind === "softmax") return true;
  return (
    spec.mode === "symmetric" &&
    spec.compat !== "distiller-2020" &&
    spec.scaleApproxMultBits === null &&
    (kind === "weight" || !settings.dynamic)
  );
}

function clipQuantizer(
  site: QuantizerSite,
  { kind, bits }: RangeSpec,
  addVariable: AddVariable,
): ClipQuantizer {
  const { layer, name, channels, settings, strategy } = site;
  const isWeight = kind === "weight";
  const given = givenClip(site);
  const value = given ?? (isWeight ? strategy.initialWeightClip : strategy.initialActClip);
  const shape = channels === null ? [] : [channels.count];
  const { rounding } = settings;
  const compat = settings.compat === "neurst" ? "neurst" : "none";
  return new ClipQuantizer({
    path: `${layer}/${name}`,
    spec: { kind, bits, axis: channels?.axis ?? null, rounding, compat },
    clip:
      kind === "softmax" ? null : addVariable(clipName(name), { shape, value, trainable: true }),
    clipL2: isWeight ? settings.weightClipL2 : settings.actClipL2,
    isClipGiven: given !== null,
  });
}

function givenClip({ kind, settings }: QuantizerSite): number | null {
  return kind === "weight" ? settings.weightClipMax : settings.actClipMax;
}

function checkBits({ layer, name, kind, use }: QuantizerSite, bits: number): void {
  if (bits <= 8 || use !== "product") return;
  throw new ConfigError(
    `${kind === "weight" ? "quant_weight_bits" : "quant_act_bits"} of "${layer}/${name}": ` +
      `expected 2 to 8, because the values enter a product, received ${bits}. ` +
      `Ask for more bits in an override that matches sums and states alone.`,
  );
}
