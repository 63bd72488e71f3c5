/**
 * The content of an int8 export, `model.int8.safetensors` with `quantization.json`, checked against
 * each other: what a run time may rely on.
 */
import { fromFloat16Bits } from "../core/float16.ts";
import { channelLayout } from "../core/quantize.ts";
import { FormatError } from "../errors.ts";
import { checkZeroPoint } from "./int8-grids.ts";
import {
  parseQuantizationJson,
  type QuantizationRecord,
  type QuantizedWeightRecord,
} from "./quantization-json.ts";
import { readSafetensors, type SafeTensor } from "./safetensors.ts";

/** A float tensor of an export: a bias, a layer norm's parameter, a weight without codes. */
export interface FloatTensor {
  readonly shape: readonly number[];
  /** As numbers, also where the file has half precision: `record.float16` names it. */
  readonly data: Float32Array;
}

/** A quantized weight: value = fround((code − zero point) · scale). */
export interface Int8Weight {
  readonly shape: readonly number[];
  /** Row-major, within [record.qmin, record.qmax]. */
  readonly codes: Int8Array | Uint8Array;
  /** One scale, or one for each channel along `record.axis`; positive float32. */
  readonly scale: Float32Array;
  /** As many as scales: the code of zero. */
  readonly zeroPoint: Int32Array;
  readonly record: QuantizedWeightRecord;
}

/** A parsed int8 export. */
export interface Int8Model {
  readonly record: QuantizationRecord;
  /** By checkpoint name. */
  readonly weights: ReadonlyMap<string, Int8Weight>;
  /** By checkpoint name. */
  readonly floats: ReadonlyMap<string, FloatTensor>;
}

/** Appended to a weight's name for its scale, and for its zero point. */
const SCALE_SUFFIX = ".scale";
const ZERO_POINT_SUFFIX = ".zero_point";

/** Whether a weight has a zero point in the file: everywhere else it is 0. */
export function hasZeroPoint({ mode }: Pick<QuantizedWeightRecord, "mode">): boolean {
  return mode === "asymmetric_signed" || mode === "asymmetric_unsigned";
}

/** Type of a weight's codes in the file. */
export function codeDtype({ qmin }: Pick<QuantizedWeightRecord, "qmin">): "I8" | "U8" {
  return qmin < 0 ? "I8" : "U8";
}

/** code − zero point, row-major: of which value = fround(centred code · scale). */
export function centredCodes({ codes, shape, zeroPoint, record }: Int8Weight): Int16Array {
  const { channels, inner } = channelLayout(shape, record.axis);
  const centred = Int16Array.from(codes);
  if (!hasZeroPoint(record)) return centred;
  for (let i = 0; i < centred.length; i++) {
    centred[i]! -= zeroPoint[Math.floor(i / inner) % channels]!;
  }
  return centred;
}

/**
 * Reads the two files' content. The hash of the tensors is checked where the files are read.
 * @param tensors bytes of `model.int8.safetensors`
 * @param quantization text of `quantization.json`
 * @param where names the export in messages
 * @throws {FormatError} if a file does not follow its format, a tensor is missing, surplus or of the
 *   wrong type or shape, a code lies outside its range, or a number is not finite
 */
export function parseInt8Model(
  tensors: Uint8Array,
  quantization: string,
  where: string,
): Int8Model {
  const record = parseQuantizationJson(quantization, `${where}, quantization.json`);
  const file = readSafetensors(tensors, `${where}, model.int8.safetensors`);
  const left = new Map(file.tensors);
  const take = (name: string) => {
    const tensor = left.get(name);
    left.delete(name);
    if (tensor === undefined) throw tensorError(where, name, "the tensor", "no such tensor");
    return tensor;
  };
  const weights = new Map<string, Int8Weight>();
  for (const [name, weight] of Object.entries(record.weights)) {
    const codes = take(name);
    const scale = take(name + SCALE_SUFFIX);
    const zeroPoint = hasZeroPoint(weight) ? take(name + ZERO_POINT_SUFFIX) : null;
    weights.set(name, weightOf(where, name, { codes, scale, zeroPoint, weight }));
  }
  const floats = new Map<string, FloatTensor>();
  const half = new Set(record.float16);
  for (const [name, tensor] of left) {
    floats.set(name, (half.has(name) ? float16Of : floatOf)(where, name, tensor));
  }
  checkPrecision(record, where);
  return { record, weights, floats };
}

interface WeightParts {
  readonly codes: SafeTensor;
  readonly scale: SafeTensor;
  readonly zeroPoint: SafeTensor | null;
  readonly weight: QuantizedWeightRecord;
}

function weightOf(where: string, name: string, parts: WeightParts): Int8Weight {
  const { codes, scale, weight } = parts;
  const dtype = codeDtype(weight);
  if ((codes.dtype !== "I8" && codes.dtype !== "U8") || codes.dtype !== dtype) {
    throw tensorError(where, name, `${dtype} codes`, codes.dtype);
  }
  const { qmin, qmax, axis } = weight;
  const bad = (codes.data as ArrayLike<number> & Int8Array).find(
    (code) => code < qmin || code > qmax,
  );
  if (bad !== undefined) {
    throw tensorError(where, name, `codes from ${qmin} to ${qmax}`, `${bad}`);
  }
  const scales = floatOf(where, name + SCALE_SUFFIX, scale);
  const channels = axis === null ? [] : [codes.shape[axis] ?? -1];
  if (scales.shape.length !== channels.length || scales.shape[0] !== channels[0]) {
    const expected = `shape [${channels.join(", ")}]`;
    throw tensorError(where, name + SCALE_SUFFIX, expected, `[${scales.shape.join(", ")}]`);
  }
  const flat = scales.data.find((step) => !(step > 0));
  if (flat !== undefined) {
    throw tensorError(where, name + SCALE_SUFFIX, "positive scales", `${flat}`);
  }
  const zeroPoint = zeroPointOf(where, name, parts, scales.shape);
  return { shape: codes.shape, codes: codes.data, scale: scales.data, zeroPoint, record: weight };
}

function zeroPointOf(
  where: string,
  name: string,
  { zeroPoint: tensor, weight }: WeightParts,
  shape: readonly number[],
): Int32Array {
  if (tensor === null) return new Int32Array(shape[0] ?? 1);
  const place = name + ZERO_POINT_SUFFIX;
  if (tensor.dtype !== "I32") throw tensorError(where, place, "int32", tensor.dtype);
  if (tensor.shape.join() !== shape.join()) {
    throw tensorError(where, place, `shape [${shape.join(", ")}]`, `[${tensor.shape.join(", ")}]`);
  }
  for (const zero of tensor.data) checkZeroPoint(`${where}, "${place}"`, weight.mode, zero, weight);
  return tensor.data;
}

function floatOf(where: string, name: string, tensor: SafeTensor): FloatTensor {
  if (tensor.dtype !== "F32") throw tensorError(where, name, "float32", tensor.dtype);
  const bad = tensor.data.find((x) => !Number.isFinite(x));
  if (bad !== undefined) throw tensorError(where, name, "finite numbers", `${bad}`);
  return { shape: tensor.shape, data: tensor.data };
}

/** As floats: numbers of half precision are numbers of float32. */
function float16Of(where: string, name: string, tensor: SafeTensor): FloatTensor {
  if (tensor.dtype !== "F16") throw tensorError(where, name, "float16", tensor.dtype);
  const data = fromFloat16Bits(tensor.data);
  return floatOf(where, name, { dtype: "F32", shape: tensor.shape, data });
}

/** What is in half precision has no codes. */
function checkPrecision(record: QuantizationRecord, where: string): void {
  const { weights, activations, dynamic_activations: dynamic } = record;
  const coded = { ...weights, ...activations, ...dynamic };
  const both = record.float16.find((name) => Object.hasOwn(coded, name));
  if (both !== undefined) throw tensorError(where, both, "codes or float16", "both");
}

function tensorError(where: string, name: string, expected: string, received: string): FormatError {
  return new FormatError(
    `${where}, "${name}": expected ${expected}, received ${received}. Export the model again.`,
  );
}
