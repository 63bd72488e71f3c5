/** Puts an int8 export back into a TensorFlow.js model, with the same codes and scales. */
import * as tf from "@tensorflow/tfjs";
import { channelLayout } from "../core/quantize.ts";
import { CheckpointError } from "../errors.ts";
import { centredCodes, type Int8Model, type Int8Weight } from "../formats/int8-model.ts";
import type {
  DynamicActivationRecord,
  QuantizedActivationRecord,
  QuantizedWeightRecord,
} from "../formats/quantization-json.ts";
import type { Seq2SeqModel } from "../models/model.ts";
import { AffineQuantizer } from "../quant/affine-quantizer.ts";
import { clipName, scaleName, zeroPointName } from "../quant/clip-name.ts";
import { DynamicQuantizer } from "../quant/dynamic-quantizer.ts";
import { Float16Quantizer } from "../quant/float16-quantizer.ts";
import { type Quantizer, StaticQuantizer } from "../quant/quantizers.ts";

/**
 * Assigns an export to a model that was built with the same parameters and quantization: weights
 * are fround((code − zero point) · scale), ranges the export's, so quantizing them again gives its
 * codes and scales to the bit; that is checked. Weights in half precision are those of the export.
 * @throws {CheckpointError} if parameters, names, shapes, grids, codes or scales differ
 */
export function assignInt8(model: Seq2SeqModel, int8: Int8Model): void {
  checkModel(model, int8);
  checkRounding(model, int8);
  checkActivations(model, int8);
  checkFloat16(model, int8);
  const values = new Map<string, Float32Array>();
  for (const [name, tensor] of int8.floats) values.set(name, tensor.data);
  for (const [name, weight] of int8.weights) values.set(name, dequantizedValues(weight));
  for (const quantizer of quantizersOf(model)) {
    for (const [name, data] of recordedRange(quantizer, int8)) values.set(name, data);
  }
  assignAll(model, values);
  checkCodes(model, int8);
}

/** fround((code − zero point) · scale), row-major. */
function dequantizedValues(weight: Int8Weight): Float32Array {
  const { scale } = weight;
  const codes = centredCodes(weight);
  const values = new Float32Array(codes.length);
  const { channels, inner } = channelLayout(weight.shape, weight.record.axis);
  for (let i = 0; i < codes.length; i++) {
    values[i] = codes[i]! * scale[Math.floor(i / inner) % channels]!;
  }
  return values;
}

function quantizersOf(model: Seq2SeqModel): Quantizer[] {
  return model.layers().flatMap((layer) => [...layer.quantizers.values()]);
}

/** What decides how the weights are used: other heads would load and mean nothing. */
function checkModel(model: Seq2SeqModel, { record }: Int8Model): void {
  const { source_size: source, target_size: target } = record.vocabulary;
  const { sourceVocabSize, targetVocabSize } = model;
  if (source !== sourceVocabSize || target !== targetVocabSize) {
    throw mismatch("vocabulary", `${source}, ${target}`, `${sourceVocabSize}, ${targetVocabSize}`);
  }
  const { class: className, params } = record.model;
  if (className !== model.className) throw mismatch("model.class", className, model.className);
  for (const key of new Set([...Object.keys(params), ...Object.keys(model.params)])) {
    const [exported, own] = [params[key], model.params[key]].map((v) => JSON.stringify(v ?? null));
    if (exported !== own) throw mismatch(key, exported!, own!);
  }
}

function checkActivations(model: Seq2SeqModel, { record }: Int8Model): void {
  const known = new Set(quantizersOf(model).map(({ path }) => path));
  const recorded = { ...record.activations, ...record.dynamic_activations };
  const surplus = Object.keys(recorded).find((path) => !known.has(path));
  if (surplus !== undefined) throw mismatch(surplus, "the quantizer", "none");
}

/** The same parts in half precision: elsewhere its weights would be used as float32. */
function checkFloat16(model: Seq2SeqModel, { record }: Int8Model): void {
  const own = new Set(model.layers().flatMap((layer) => layer.float16Places));
  const surplus = record.float16.find((path) => !own.has(path));
  if (surplus !== undefined) throw mismatch(surplus, "float16", "another precision");
  const missing = [...own].find((path) => !record.float16.includes(path));
  if (missing !== undefined) throw mismatch(missing, "another precision", "float16");
}

function checkRounding(model: Seq2SeqModel, { record }: Int8Model): void {
  const config = model.layers()[0]?.quantConfig;
  const rounding = config?.rounding ?? "none (float)";
  if (rounding !== record.rounding) throw mismatch("rounding", record.rounding, rounding);
  const compat = config?.compat ?? "none";
  const placement = compat === "neurst" ? "none" : compat;
  if (placement !== record.placement) throw mismatch("placement", record.placement, placement);
}

/** The variables of a quantizer's range as the export records them; none where it is constant or live. */
function recordedRange(quantizer: Quantizer, int8: Int8Model): [string, Float32Array][] {
  const { record } = int8;
  if (quantizer instanceof Float16Quantizer) return [];
  const { path, kind } = quantizer;
  const all = { ...record.weights, ...record.activations, ...record.dynamic_activations };
  const known = all[path];
  if (known === undefined) throw mismatch(path, "no quantizer", kind);
  const own = describeQuantizer(quantizer);
  const recorded = describeRecord(known);
  if (recorded !== own) throw mismatch(path, recorded, own);
  if (quantizer instanceof AffineQuantizer) {
    const weight = int8.weights.get(path);
    const activation = record.activations[path];
    return [
      [scaleName(path), weight?.scale ?? Float32Array.of(activation!.scale)],
      [zeroPointName(path), Float32Array.from(weight?.zeroPoint ?? [activation!.zero_point])],
    ];
  }
  const clip = "clip_max" in known ? known.clip_max : null;
  return clip === null ? [] : [[clipName(path), Float32Array.from([clip].flat())]];
}

type AnyRecord = QuantizedWeightRecord | QuantizedActivationRecord | DynamicActivationRecord;

function describeRecord(record: AnyRecord): string {
  const { bits, mode } = record;
  const kind = "kind" in record ? record.kind : "weight";
  if ("clip_method" in record) return `${kind}, ${bits} bits, ${mode}, live ranges`;
  return described(kind, bits, mode, "axis" in record ? record.axis : null);
}

function describeQuantizer(quantizer: Quantizer): string {
  const { kind, bits } = quantizer;
  if (quantizer instanceof DynamicQuantizer) {
    return `${kind}, ${bits} bits, ${quantizer.spec.mode}, live ranges`;
  }
  if (quantizer instanceof StaticQuantizer) {
    return described(kind, bits, quantizer.mode, quantizer.axis);
  }
  return `${kind}, ${bits} bits`;
}

function described(kind: string, bits: number, mode: string, axis: number | null): string {
  return `${kind}, ${bits} bits, ${mode}, channel axis ${axis ?? "none"}`;
}

function assignAll(model: Seq2SeqModel, values: ReadonlyMap<string, Float32Array>): void {
  const surplus = [...values.keys()].find((name) => !model.variables.has(name));
  if (surplus !== undefined) throw mismatch(surplus, "the tensor", "no such variable");
  for (const [name, variable] of model.variables) {
    const data = values.get(name);
    if (data === undefined) throw mismatch(name, "no such tensor", "a variable");
    if (data.length !== variable.size) {
      throw mismatch(name, `${data.length} elements`, `shape [${variable.shape.join(", ")}]`);
    }
    tf.tidy(() => {
      variable.assign(tf.tensor(data, variable.shape, "float32"));
    });
  }
}

/** Quantizes every weight again and compares. */
function checkCodes(model: Seq2SeqModel, int8: Int8Model): void {
  for (const layer of model.layers()) {
    for (const [name, quantizer] of layer.quantizers) {
      if (!(quantizer instanceof StaticQuantizer)) continue;
      if (quantizer.kind !== "weight") {
        const range = quantizer.range().scale[0]!;
        const recorded = int8.record.activations[quantizer.path]!.scale;
        if (range !== recorded) throw mismatch(quantizer.path, `scale ${recorded}`, `${range}`);
        continue;
      }
      const view = layer.quantizedWeight(name);
      const { codes, scale, shape } = int8.weights.get(quantizer.path)!;
      if (view.shape.join() !== shape.join()) {
        throw mismatch(quantizer.path, `shape [${shape.join(", ")}]`, `[${view.shape.join(", ")}]`);
      }
      const at = Array.from(view.codes).findIndex((code, i) => code !== codes[i]);
      if (at >= 0) {
        throw mismatch(`${quantizer.path}, element ${at}`, `${codes[at]!}`, `${view.codes[at]!}`);
      }
      const channel = view.scale.findIndex((step, i) => step !== scale[i]);
      if (channel >= 0 || view.scale.length !== scale.length) {
        throw mismatch(`${quantizer.path}.scale`, scale.join(), view.scale.join());
      }
    }
  }
}

function mismatch(what: string, exported: string, model: string): CheckpointError {
  return new CheckpointError(
    `int8 export, "${what}": expected what the export has (${exported}), received ${model} in ` +
      `the model. Use the model_configs.yml of this export, or export the model again.`,
  );
}
