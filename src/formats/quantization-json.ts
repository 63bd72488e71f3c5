/**
 * `quantization.json`: what an int8 export says beside its tensors. The record, its reader and its
 * writer; the tensors lie in `model.int8.safetensors`.
 */
import { QUANT_MODES, type QuantKind, type QuantMode, type Rounding } from "../core/qtype.ts";
import { FormatError } from "../errors.ts";
import { formatJson, parseJson, shortestFloat32, type JsonValue } from "./json.ts";

/**
 * How one quantized weight lies on its grid. Its codes are `<name>`, its scale `<name>.scale`, and in
 * asymmetric modes its zero point `<name>.zero_point`.
 */
export interface QuantizedWeightRecord {
  /** Short layer path, such as `encoder/layer_0/ffn/dense1/kernel`. */
  readonly path: string;
  readonly bits: number;
  /** Which codes the range is spread over; not in the file where symmetric. */
  readonly mode: QuantMode;
  /** Channel axis of the scales, or null for one scale. */
  readonly axis: number | null;
  readonly qmin: number;
  readonly qmax: number;
  /** Smallest and largest value that the codes can express, float32, over all channels. */
  readonly min: number;
  readonly max: number;
  /** The trained clip, float32; one for each channel where axis is not null; null: not learnt. */
  readonly clip_max: number | readonly number[] | null;
}

/** How one activation is quantized: code = clamp(round(x/scale) + zero_point, qmin, qmax). */
export interface QuantizedActivationRecord {
  /** Short path of the quantizer, such as `encoder/layer_0/ffn/dense1/output`. */
  readonly path: string;
  readonly kind: Exclude<QuantKind, "weight">;
  readonly bits: number;
  /** Which codes the range is spread over; not in the file where symmetric. */
  readonly mode: QuantMode;
  readonly qmin: number;
  readonly qmax: number;
  /** Real size of one integer step, float32. */
  readonly scale: number;
  readonly zero_point: number;
  /** Smallest and largest value that the codes can express, float32. */
  readonly min: number;
  readonly max: number;
  /** The trained clip, float32; null where the range is constant (softmax) or not learnt. */
  readonly clip_max: number | null;
}

/** How one activation is quantized whose range is that of each tensor. */
export interface DynamicActivationRecord {
  readonly path: string;
  readonly kind: Exclude<QuantKind, "weight">;
  readonly bits: number;
  readonly mode: QuantMode;
  /** How the range follows from the tensor, such as none or avg. */
  readonly clip_method: string;
}

/** The other tool whose placement and accumulators a model has, or none. */
const PLACEMENTS = ["none", "distiller-2019", "distiller-2020"] as const;

/** The whole content of `quantization.json`. */
export interface QuantizationRecord {
  readonly format: "tfjs-qat-int8";
  readonly version: 1;
  readonly rounding: Rounding;
  /** Whose order of rounding the layers follow; not in the file where none. */
  readonly placement: (typeof PLACEMENTS)[number];
  /** SHA-256 of `model.int8.safetensors`, lower-case hexadecimal. */
  readonly tensors_sha256: string;
  readonly model: { readonly class: string; readonly params: Readonly<Record<string, JsonValue>> };
  /** Sizes and special token ids. */
  readonly vocabulary: {
    readonly source_size: number;
    readonly target_size: number;
    readonly unk: number;
    readonly bos: number;
    readonly eos: number;
  };
  /** By checkpoint name, such as `TransformerEncoder/layer_0/…/ffn/dense1/kernel`. */
  readonly weights: Readonly<Record<string, QuantizedWeightRecord>>;
  /** By checkpoint name of the quantizer, without `_clip_max`. */
  readonly activations: Readonly<Record<string, QuantizedActivationRecord>>;
  /** By checkpoint name; not in the file where empty. */
  readonly dynamic_activations: Readonly<Record<string, DynamicActivationRecord>>;
  /**
   * Checkpoint names of the weights, inputs and results in half precision, sorted; the weights among
   * them are F16 in `model.int8.safetensors`. Not in the file where empty.
   */
  readonly float16: readonly string[];
}

/**
 * Reads `quantization.json`. Real numbers come back as float32.
 * @throws {FormatError} if a key is missing, unknown or repeated, or a value has the wrong type
 */
export function parseQuantizationJson(text: string, where: string): QuantizationRecord {
  const root = new Fields(parseJson(text, where), where);
  const format = root.choice("format", ["tfjs-qat-int8"] as const);
  root.choice("version", [1] as const);
  const model = root.object("model");
  const vocabulary = root.object("vocabulary");
  const record: QuantizationRecord = {
    format,
    version: 1,
    rounding: root.choice("rounding", ["half_even", "half_up"] as const),
    placement: root.has("placement") ? root.choice("placement", PLACEMENTS) : "none",
    tensors_sha256: root.matching("tensors_sha256", /^[0-9a-f]{64}$/, "64 hexadecimal digits"),
    model: { class: model.string("class"), params: model.record("params") },
    vocabulary: {
      source_size: vocabulary.integer("source_size"),
      target_size: vocabulary.integer("target_size"),
      unk: vocabulary.integer("unk"),
      bos: vocabulary.integer("bos"),
      eos: vocabulary.integer("eos"),
    },
    weights: root.object("weights").map(weightRecord),
    activations: root.object("activations").map(activationRecord),
    dynamic_activations: root.has("dynamic_activations")
      ? root.object("dynamic_activations").map(dynamicRecord)
      : {},
    float16: root.has("float16") ? root.names("float16") : [],
  };
  for (const fields of [root, model, vocabulary]) fields.end();
  return record;
}

function weightRecord(fields: Fields): QuantizedWeightRecord {
  return {
    path: fields.string("path"),
    bits: fields.integer("bits", 2, 8),
    mode: modeOf(fields),
    axis: fields.orNull("axis", (key) => fields.integer(key, 0, 15)),
    ...codeRange(fields),
    clip_max: fields.orNull("clip_max", (key) => fields.float32s(key)),
  };
}

function activationRecord(fields: Fields): QuantizedActivationRecord {
  return {
    path: fields.string("path"),
    kind: fields.choice("kind", ["act", "relu", "softmax"] as const),
    bits: fields.integer("bits", 2, 16),
    mode: modeOf(fields),
    scale: fields.float32("scale"),
    zero_point: fields.integer("zero_point", -32768, 65535),
    ...codeRange(fields),
    clip_max: fields.orNull("clip_max", (key) => fields.float32(key)),
  };
}

function dynamicRecord(fields: Fields): DynamicActivationRecord {
  return {
    path: fields.string("path"),
    kind: fields.choice("kind", ["act", "relu", "softmax"] as const),
    bits: fields.integer("bits", 2, 16),
    mode: fields.choice("mode", QUANT_MODES),
    clip_method: fields.string("clip_method"),
  };
}

function modeOf(fields: Fields): QuantMode {
  return fields.has("mode") ? fields.choice("mode", QUANT_MODES) : "symmetric";
}

function codeRange(fields: Fields) {
  return {
    qmin: fields.integer("qmin", -32768, 0),
    qmax: fields.integer("qmax", 1, 65535),
    min: fields.float32("min"),
    max: fields.float32("max"),
  };
}

/**
 * Text of `quantization.json`: keys in the order of the record, names sorted, float32 values with
 * as few digits as give them back.
 * @throws {FormatError} if the record is not what the reader accepts
 */
export function formatQuantizationJson(record: QuantizationRecord): string {
  const { weights, activations, placement, dynamic_activations: dynamic, ...others } = record;
  const { float16, ...rest } = others;
  const isStatic = Object.keys(dynamic).length === 0;
  const plain = {
    ...rest,
    ...(placement === "none" ? {} : { placement }),
    ...{ weights: sorted(withoutDefaultMode(weights)) },
    ...{ activations: sorted(withoutDefaultMode(activations)) },
    ...(isStatic ? {} : { dynamic_activations: sorted(dynamic) }),
    ...(float16.length === 0 ? {} : { float16: [...float16].sort() }),
  };
  const text = formatJson(plain as unknown as JsonValue);
  parseQuantizationJson(text, "quantization.json");
  return text;
}

/** Exports of trained clips have no mode: earlier readers know no other than symmetric. */
function withoutDefaultMode<T extends { readonly mode: QuantMode }>(
  records: Readonly<Record<string, T>>,
): Record<string, Omit<T, "mode">> {
  return Object.fromEntries(
    Object.entries(records).map(([name, { mode, ...record }]) => [
      name,
      mode === "symmetric" ? record : { ...record, mode },
    ]),
  );
}

function sorted<T extends object>(records: Readonly<Record<string, T>>): Record<string, T> {
  const names = Object.keys(records).sort();
  return Object.fromEntries(names.map((name) => [name, shortened(records[name]!)]));
}

/** The record with its float32 values cut to their shortest decimal form. */
function shortened<T extends object>(record: T): T {
  const short = (value: unknown): unknown =>
    typeof value === "number"
      ? shortestFloat32(Math.fround(value))
      : Array.isArray(value)
        ? value.map(short)
        : value;
  return Object.fromEntries(Object.entries(record).map(([k, v]) => [k, short(v)])) as T;
}

/** A JSON object whose fields are taken one by one; what is left over is an error. */
class Fields {
  readonly #where: string;
  readonly #left: Map<string, JsonValue>;

  constructor(value: JsonValue | undefined, where: string) {
    this.#where = where;
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      throw this.#error("an object", value);
    }
    this.#left = new Map(Object.entries(value as Record<string, JsonValue>));
  }

  #error(expected: string, received: JsonValue | undefined, key = ""): FormatError {
    const shown = received === undefined ? "nothing" : JSON.stringify(received).slice(0, 80);
    return new FormatError(
      `${this.#where}${key && `, ${key}`}: expected ${expected}, received ${shown}. ` +
        `Export the model again.`,
    );
  }

  #take(key: string): JsonValue | undefined {
    const value = this.#left.get(key);
    this.#left.delete(key);
    return value;
  }

  /** Whether a field that may be left out is there. */
  has(key: string): boolean {
    return this.#left.has(key);
  }

  /** Throws if a field was not taken. */
  end(): void {
    for (const key of this.#left.keys()) throw this.#error("no such key", key, key);
  }

  string(key: string): string {
    return this.matching(key, /^[^]+$/, "a string");
  }

  matching(key: string, pattern: RegExp, expected: string): string {
    const value = this.#take(key);
    if (typeof value !== "string" || !pattern.test(value)) throw this.#error(expected, value, key);
    return value;
  }

  choice<const T extends string | number>(key: string, allowed: readonly T[]): T {
    const value = this.#take(key);
    const found = allowed.find((choice) => choice === value);
    if (found === undefined) throw this.#error(allowed.join(" or "), value, key);
    return found;
  }

  integer(key: string, least = 0, most: number = Number.MAX_SAFE_INTEGER): number {
    const value = this.#take(key);
    if (typeof value !== "number" || !Number.isInteger(value) || value < least || value > most) {
      throw this.#error(`an integer from ${least} to ${most}`, value, key);
    }
    return value;
  }

  float32(key: string): number {
    const value = this.#take(key);
    if (typeof value !== "number" || !Number.isFinite(Math.fround(value))) {
      throw this.#error("a finite number", value, key);
    }
    return Math.fround(value);
  }

  /** A number, or a list of numbers, one for each channel. */
  float32s(key: string): number | readonly number[] {
    const value = this.#left.get(key);
    if (!Array.isArray(value)) return this.float32(key);
    this.#left.delete(key);
    return (value as readonly JsonValue[]).map((item) => {
      if (typeof item === "number" && Number.isFinite(Math.fround(item))) return Math.fround(item);
      throw this.#error("finite numbers", item, key);
    });
  }

  /** Different strings in their order. */
  names(key: string): string[] {
    const value = this.#take(key);
    const isList = Array.isArray(value) && value.every((item) => typeof item === "string");
    const names = isList ? value : [];
    if (names.length > 0 && names.every((name, i) => i === 0 || name > names[i - 1]!)) return names;
    throw this.#error("different names in their order", value, key);
  }

  orNull<T>(key: string, read: (key: string) => T): T | null {
    if (this.#left.get(key) !== null) return read(key);
    this.#left.delete(key);
    return null;
  }

  object(key: string): Fields {
    return new Fields(this.#take(key), `${this.#where}, ${key}`);
  }

  record(key: string): Readonly<Record<string, JsonValue>> {
    const fields = this.object(key);
    return Object.fromEntries(fields.#left);
  }

  /** Reads every field as an object of its own. */
  map<T>(read: (fields: Fields) => T): Record<string, T> {
    const entries = [...this.#left.keys()].map((key) => {
      const fields = this.object(key);
      const value = read(fields);
      fields.end();
      return [key, value] as const;
    });
    return Object.fromEntries(entries);
  }
}
