/** A trained model as the content of an int8 export: codes, scales, float tensors and ranges. */
import type * as tf from "@tensorflow/tfjs";
import { FLOAT16_OVERFLOW, float16Bits } from "../core/float16.ts";
import { ExportError } from "../errors.ts";
import type { JsonValue } from "../formats/json.ts";
import { hasZeroPoint } from "../formats/int8-model.ts";
import {
  type DynamicActivationRecord,
  formatQuantizationJson,
  type QuantizationRecord,
  type QuantizedActivationRecord,
  type QuantizedWeightRecord,
} from "../formats/quantization-json.ts";
import { type SafeTensor, writeSafetensors } from "../formats/safetensors.ts";
import type { QuantLayer } from "../layers/quant-layer.ts";
import type { QuantizedWeightView } from "../layers/quantized-weight-view.ts";
import { shortPath } from "../models/layer-paths.ts";
import type { Seq2SeqModel } from "../models/model.ts";
import { clipName, isRangeName, scaleName, zeroPointName } from "../quant/clip-name.ts";
import { DynamicQuantizer } from "../quant/dynamic-quantizer.ts";
import { Float16Quantizer } from "../quant/float16-quantizer.ts";
import { StaticQuantizer } from "../quant/quantizers.ts";
import { sha256 } from "./sha256.ts";

/** What an export needs beside the model. */
export interface Int8ExportOptions {
  /** Ids of the special tokens of the target vocabulary. */
  readonly special: { readonly unk: number; readonly bos: number; readonly eos: number };
}

/** The two files of an int8 export. */
export interface Int8Export {
  /** Content of `model.int8.safetensors`. */
  readonly tensors: Uint8Array;
  /** Content of `quantization.json`. */
  readonly quantization: string;
  readonly record: QuantizationRecord;
}

/**
 * Exports a model. Codes and scales are made by the layers' own quantizers, as in training. Waits
 * for the backend.
 * @throws {ExportError} if the model is not quantized, or a weight or clip is not finite
 */
export function exportInt8(model: Seq2SeqModel, options: Int8ExportOptions): Int8Export {
  const config = model.layers()[0]?.quantConfig ?? null;
  if (config === null) {
    throw new ExportError(
      `int8 export: expected a quantized model, received a float ${model.className}. ` +
        `Quantize it first: calibrate it, or train it with enable_quant.`,
    );
  }
  const parts = new ExportParts(model);
  for (const layer of model.layers()) parts.addLayer(layer);
  parts.addFloats();
  const { weights, activations, dynamic, float16 } = parts;
  if (weights.size + activations.size + dynamic.size + float16.size === 0) {
    throw new ExportError(
      `int8 export: expected a quantized weight or activation, received a ${model.className} whose ` +
        `overrides keep everything in float32. Change quant_float_bits or the overrides.`,
    );
  }
  const tensors = writeSafetensors(parts.tensors);
  const record: QuantizationRecord = {
    format: "tfjs-qat-int8",
    version: 1,
    rounding: config.rounding,
    placement: config.compat === "neurst" ? "none" : config.compat,
    tensors_sha256: sha256(tensors),
    model: {
      class: model.className,
      params: model.params as Readonly<Record<string, JsonValue>>,
    },
    vocabulary: {
      source_size: model.sourceVocabSize,
      target_size: model.targetVocabSize,
      unk: options.special.unk,
      bos: options.special.bos,
      eos: options.special.eos,
    },
    weights: Object.fromEntries(weights),
    activations: Object.fromEntries(activations),
    dynamic_activations: Object.fromEntries(dynamic),
    float16: [...float16].sort(),
  };
  return { tensors, quantization: formatQuantizationJson(record), record };
}

/** Tensors and records as they are collected. */
class ExportParts {
  readonly tensors = new Map<string, SafeTensor>();
  readonly weights = new Map<string, QuantizedWeightRecord>();
  readonly activations = new Map<string, QuantizedActivationRecord>();
  readonly dynamic = new Map<string, DynamicActivationRecord>();
  /** Names of what is in half precision. */
  readonly float16 = new Set<string>();
  readonly #variables: ReadonlyMap<string, tf.Variable>;

  constructor(model: Seq2SeqModel) {
    this.#variables = model.variables;
  }

  addLayer(layer: QuantLayer): void {
    for (const path of layer.float16Places) this.float16.add(path);
    for (const [name, quantizer] of layer.quantizers) {
      const { path, kind } = quantizer;
      if (quantizer instanceof Float16Quantizer && kind === "weight") this.#addFloat16(path);
      if (quantizer instanceof DynamicQuantizer) {
        this.dynamic.set(path, dynamicRecord(quantizer));
      }
      if (!(quantizer instanceof StaticQuantizer)) continue;
      for (const range of rangeNames(path)) if (this.#variables.has(range)) this.#floats(range);
      if (kind === "weight") {
        this.#floats(path);
        this.#addWeight(path, layer.quantizedWeight(name));
      } else {
        this.activations.set(path, activationRecord(quantizer));
      }
    }
  }

  /** A weight in half precision, as its products take it. */
  #addFloat16(name: string): void {
    const values = this.#floats(name);
    const large = values.find((x) => Math.abs(x) >= FLOAT16_OVERFLOW);
    if (large !== undefined) {
      throw new ExportError(
        `int8 export, "${name}": expected numbers of half precision, within ±${FLOAT16_OVERFLOW}, ` +
          `received ${large}. Set its quant_float_bits to 32.`,
      );
    }
    const { shape } = this.#variables.get(name)!;
    this.tensors.set(name, { dtype: "F16", shape, data: float16Bits(values) });
  }

  /** All other variables that are no ranges, as they are. */
  addFloats(): void {
    for (const [name, variable] of this.#variables) {
      if (this.tensors.has(name) || isRangeName(name)) continue;
      const data = this.#floats(name);
      this.tensors.set(name, { dtype: "F32", shape: variable.shape, data });
    }
  }

  #addWeight(name: string, view: QuantizedWeightView): void {
    const { axis, bits, mode, scale, zeroPoint, shape, codes } = view;
    const { qmin, qmax } = view.stored;
    this.tensors.set(
      name,
      codes instanceof Int8Array
        ? { dtype: "I8", shape, data: codes }
        : { dtype: "U8", shape, data: codes },
    );
    const rangeShape = axis === null ? [] : [scale.length];
    this.tensors.set(`${name}.scale`, { dtype: "F32", shape: rangeShape, data: scale });
    if (hasZeroPoint({ mode })) {
      this.tensors.set(`${name}.zero_point`, { dtype: "I32", shape: rangeShape, data: zeroPoint });
    }
    this.weights.set(name, {
      path: shortPath(name),
      bits,
      mode,
      axis,
      qmin,
      qmax,
      min: view.min.reduce((a, b) => Math.min(a, b)),
      max: view.max.reduce((a, b) => Math.max(a, b)),
      clip_max: axis === null ? (view.clipMax[0] ?? null) : channelClips(view.clipMax),
    });
  }

  /** Values of a variable, all finite. */
  #floats(name: string): Float32Array {
    const variable = this.#variables.get(name);
    if (variable === undefined) {
      throw new ExportError(
        `int8 export: expected a variable "${name}", received none. List it in the model.`,
      );
    }
    const data = Float32Array.from(variable.dataSync());
    const bad = data.find((x) => !Number.isFinite(x));
    if (bad !== undefined) {
      throw new ExportError(
        `int8 export, "${name}": expected finite numbers, received ${bad}. ` +
          `Go back to a checkpoint from before the loss diverged.`,
      );
    }
    return data;
  }
}

/** Null where ranges are not learnt. */
function channelClips(clips: Float32Array): number[] | null {
  return clips.length === 0 ? null : Array.from(clips);
}

function rangeNames(path: string): string[] {
  return [clipName(path), scaleName(path), zeroPointName(path)];
}

function dynamicRecord({
  path,
  kind,
  bits,
  spec,
  method,
}: DynamicQuantizer): DynamicActivationRecord {
  return {
    ...{ path: shortPath(path), kind: kind as DynamicActivationRecord["kind"], bits },
    ...{ mode: spec.mode, clip_method: method },
  };
}

function activationRecord(quantizer: StaticQuantizer): QuantizedActivationRecord {
  const { path, kind, bits, mode, stored } = quantizer;
  const { qmin, qmax } = stored;
  const range = quantizer.range();
  return {
    path: shortPath(path),
    kind: kind as QuantizedActivationRecord["kind"],
    bits,
    mode,
    qmin,
    qmax,
    scale: range.scale[0]!,
    zero_point: range.zeroPoint[0]!,
    min: range.min[0]!,
    max: range.max[0]!,
    clip_max: range.clip[0] ?? null,
  };
}
