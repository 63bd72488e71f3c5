/** Puts an int8 export back into a TensorFlow.js model, with the same codes and scales. */
import * as tf from "@tensorflow/tfjs";
import { CheckpointError } from "../errors.ts";
import type { Int8Model, Int8Weight } from "../formats/int8-model.ts";
import type { Seq2SeqModel } from "../models/model.ts";
import { clipName } from "../quant/clip-name.ts";
import type { Quantizer } from "../quant/quantizers.ts";

/**
 * Assigns an export to a model that was built with the same parameters and quantization: weights
 * are fround(code · scale), clips the trained ones, so quantizing them again gives the export's
 * codes and scales to the bit; that is checked.
 * @throws {CheckpointError} if parameters, names, shapes, grids, codes or scales differ
 */
export function assignInt8(model: Seq2SeqModel, int8: Int8Model): void {
  checkModel(model, int8);
  checkRounding(model, int8);
  checkActivations(model, int8);
  const values = new Map<string, Float32Array>();
  for (const [name, tensor] of int8.floats) values.set(name, tensor.data);
  for (const [name, weight] of int8.weights) values.set(name, dequantizedValues(weight));
  for (const quantizer of quantizersOf(model)) {
    const clip = recordedClip(quantizer, int8);
    if (clip !== null) values.set(clipName(quantizer.path), clip);
  }
  assignAll(model, values);
  checkCodes(model, int8);
}

/** fround(code · scale), row-major. */
function dequantizedValues({ codes, shape, scale, record }: Int8Weight): Float32Array {
  const values = new Float32Array(codes.length);
  const { axis } = record;
  const inner = axis === null ? 1 : shape.slice(axis + 1).reduce((a, b) => a * b, 1);
  const channels = axis === null ? 1 : shape[axis]!;
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
  const surplus = Object.keys(record.activations).find((path) => !known.has(path));
  if (surplus !== undefined) throw mismatch(surplus, "the quantizer", "none");
}

function checkRounding(model: Seq2SeqModel, { record }: Int8Model): void {
  const rounding = model.layers()[0]?.quantConfig?.rounding ?? "none (float)";
  if (rounding !== record.rounding) throw mismatch("rounding", record.rounding, rounding);
}

/** The clip that the export records for a quantizer of the model; null for the softmax kind. */
function recordedClip(quantizer: Quantizer, { record }: Int8Model): Float32Array | null {
  const { path, kind, bits, axis } = quantizer;
  const known = kind === "weight" ? record.weights[path] : record.activations[path];
  if (known === undefined) throw mismatch(path, "no quantizer", kind);
  const knownKind = "kind" in known ? known.kind : "weight";
  const knownAxis = "axis" in known ? known.axis : null;
  if (knownKind !== kind || known.bits !== bits || knownAxis !== axis) {
    throw mismatch(
      path,
      `${knownKind}, ${known.bits} bits, channel axis ${knownAxis ?? "none"}`,
      `${kind}, ${bits} bits, channel axis ${axis ?? "none"}`,
    );
  }
  if (known.clip_max === null) return null;
  return Float32Array.from([known.clip_max].flat());
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
      const at = view.codes.findIndex((code, i) => code !== codes[i]);
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
