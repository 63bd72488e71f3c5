/** How layers are quantized by their class. */
import { UnknownNameError } from "../errors.ts";
import type { QuantLayer } from "../layers/quant-layer.ts";
import { shortPath } from "../models/layer-paths.ts";
import type { Seq2SeqModel } from "../models/model.ts";
import type { QuantOverride } from "../quant/config.ts";

/** Settings of all quantizers of a layer. */
export type TreatmentSettings = Omit<QuantOverride, "match">;

/** Decides the settings of one layer's own quantizers; null keeps them in float. */
export type Treatment = (layer: QuantLayer) => TreatmentSettings | null;

/** Treatments by class of the layer, such as `QuantDense`. */
export type Treatments = Readonly<Record<string, Treatment>>;

/**
 * The overrides that treatments mean for a model.
 * @param model with all its quantizers
 * @throws {UnknownNameError} for a class that no layer has
 */
export function treatmentOverrides(model: Seq2SeqModel, treatments: Treatments): QuantOverride[] {
  const layers = model.layers().filter(({ quantizers }) => quantizers.size > 0);
  const known = [...new Set(layers.map((layer) => layer.getClassName()))];
  for (const name of Object.keys(treatments)) {
    if (!known.includes(name)) throw new UnknownNameError("treatments", "layer class", name, known);
  }
  return layers.flatMap((layer) => {
    const treatment = treatments[layer.getClassName()];
    if (treatment === undefined) return [];
    const settings = treatment(layer) ?? { enable: false };
    return [...layer.quantizers.values()].map(({ path }) => ({
      match: shortPath(path),
      ...settings,
    }));
  });
}

/** One line for each class of a model's layers: what is quantized, and which treatment decides. */
export function treatmentLines(model: Seq2SeqModel, treatments: Treatments = {}): string[] {
  const parts = new Map<string, Set<string>>();
  for (const layer of model.layers()) {
    const name = layer.getClassName();
    for (const quantizer of layer.quantizers.keys()) {
      parts.set(name, (parts.get(name) ?? new Set()).add(quantizer));
    }
  }
  return [...parts].map(([name, quantizers]) => {
    const own = treatments[name];
    const by = own === undefined ? "the model's settings" : `'${own.name || "treatment"}'`;
    return `Replacing '${name}' layers' ${[...quantizers].join(", ")} using ${by}`;
  });
}
