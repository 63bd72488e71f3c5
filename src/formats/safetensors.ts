/**
 * The safetensors format: eight bytes of header length, a JSON header, raw little-endian tensors.
 * @see https://github.com/huggingface/safetensors, README, "Format"
 */
import { FormatError } from "../errors.ts";
import { parseJson, type JsonValue } from "./json.ts";

/** The typed array that holds each element type. F16 and BF16 are raw 16-bit patterns. */
interface DataOf {
  F64: Float64Array;
  I64: BigInt64Array;
  F32: Float32Array;
  I32: Int32Array;
  F16: Uint16Array;
  BF16: Uint16Array;
  I16: Int16Array;
  I8: Int8Array;
  U8: Uint8Array;
  BOOL: Uint8Array;
}

/** Element types that are read and written. */
export type SafeDtype = keyof DataOf;

/** One tensor of a file, row-major. */
export type SafeTensor = {
  [D in SafeDtype]: {
    readonly dtype: D;
    readonly shape: readonly number[];
    readonly data: DataOf[D];
  };
}[SafeDtype];

type TypedArray = DataOf[SafeDtype];
type TypedArrayClass = new (buffer: ArrayBufferLike, offset: number, length: number) => TypedArray;

const ARRAYS: Readonly<Record<SafeDtype, TypedArrayClass & { BYTES_PER_ELEMENT: number }>> = {
  F64: Float64Array,
  I64: BigInt64Array,
  F32: Float32Array,
  I32: Int32Array,
  F16: Uint16Array,
  BF16: Uint16Array,
  I16: Int16Array,
  I8: Int8Array,
  U8: Uint8Array,
  BOOL: Uint8Array,
};

/** The reference implementation's limit on the header, against hostile files. */
const MAX_HEADER_BYTES = 100_000_000;

/** What a file holds. */
export interface SafetensorsFile {
  readonly tensors: Map<string, SafeTensor>;
  readonly metadata: Record<string, string>;
}

/**
 * Reads a whole file. Tensors are views of `bytes` where their alignment allows it, else copies.
 * @param where names the file in messages
 * @throws {FormatError} for anything that does not follow the format: truncation, a header that is
 *   too long or no UTF-8 JSON object, repeated names, unknown element types, bad shapes, offsets
 *   that overlap, leave gaps or lie outside the file
 */
export function readSafetensors(bytes: Uint8Array, where: string): SafetensorsFile {
  const { header, dataStart } = readHeader(bytes, where);
  const metadata: Record<string, string> = {};
  const entries: Entry[] = [];
  for (const [name, value] of Object.entries(header)) {
    if (name === "__metadata__") Object.assign(metadata, readMetadata(value, where));
    else entries.push(readEntry(name, value, where));
  }
  checkOffsets(entries, bytes.length - dataStart, where);
  const tensors = new Map<string, SafeTensor>();
  for (const entry of entries) tensors.set(entry.name, tensorOf(bytes, dataStart, entry));
  return { tensors, metadata };
}

interface Entry {
  readonly name: string;
  readonly dtype: SafeDtype;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

type JsonObject = Readonly<Record<string, JsonValue>>;

function readHeader(bytes: Uint8Array, where: string) {
  const fail = (expected: string, received: string) =>
    new FormatError(
      `${where}: expected ${expected}, received ${received}. ` +
        `The file is damaged or is no safetensors file; copy or export it again.`,
    );
  if (bytes.length < 8) throw fail("at least 8 bytes", `${bytes.length}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = Number(view.getBigUint64(0, true));
  if (length > MAX_HEADER_BYTES) {
    throw fail(`a header of at most ${MAX_HEADER_BYTES} bytes`, `a length of ${length}`);
  }
  if (length > bytes.length - 8) {
    throw fail(`a header of ${length} bytes`, `a file of ${bytes.length} bytes`);
  }
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(
      bytes.subarray(8, 8 + length),
    );
  } catch {
    throw fail("a header in UTF-8", "other bytes");
  }
  const header = parseJson(text, `${where}, header`);
  if (!text.startsWith("{") || !isObject(header)) {
    throw fail("a header that is a JSON object", JSON.stringify(text.slice(0, 20)));
  }
  return { header, dataStart: 8 + length };
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function readMetadata(value: JsonValue, where: string): Record<string, string> {
  if (isObject(value)) {
    const entries = Object.entries(value);
    if (entries.every((entry): entry is [string, string] => typeof entry[1] === "string")) {
      return Object.fromEntries(entries);
    }
  }
  throw new FormatError(
    `${where}, __metadata__: expected an object of strings, received ` +
      `${JSON.stringify(value).slice(0, 60)}. Write every metadata value as a string.`,
  );
}

function readEntry(name: string, value: JsonValue, where: string): Entry {
  const fail = (expected: string, received: JsonValue | undefined) =>
    new FormatError(
      `${where}, tensor "${name}": expected ${expected}, received ` +
        `${(JSON.stringify(received) as string | undefined) ?? "nothing"}. ` +
        `Export the file again.`,
    );
  if (!isObject(value)) throw fail("an object with dtype, shape and data_offsets", value);
  const { dtype, shape, data_offsets: offsets } = value;
  if (typeof dtype !== "string" || !Object.hasOwn(ARRAYS, dtype)) {
    throw fail(`a dtype among ${Object.keys(ARRAYS).join(", ")}`, dtype);
  }
  if (!isSizes(shape)) throw fail("a shape of whole numbers", shape);
  if (!isSizes(offsets) || offsets.length !== 2) throw fail("two data_offsets", offsets);
  const [begin, end] = offsets as [number, number];
  const elements = shape.reduce((a, b) => a * b, 1);
  const size = elements * ARRAYS[dtype as SafeDtype].BYTES_PER_ELEMENT;
  if (!Number.isSafeInteger(size) || end - begin !== size) {
    throw fail(`data_offsets ${size} bytes apart for ${dtype} [${shape.join(", ")}]`, offsets);
  }
  return { name, dtype: dtype as SafeDtype, shape, begin, end };
}

function isSizes(value: JsonValue | undefined): value is readonly number[] {
  return (
    Array.isArray(value) &&
    value.every((n: unknown) => typeof n === "number" && Number.isSafeInteger(n) && n >= 0)
  );
}

/** The tensors must fill the data part exactly: no overlap, no gap, nothing after the last. */
function checkOffsets(entries: readonly Entry[], dataBytes: number, where: string): void {
  const inOrder = [...entries].sort((a, b) => a.begin - b.begin || a.end - b.end);
  let at = 0;
  for (const { name, begin, end } of inOrder) {
    if (begin !== at || end > dataBytes) {
      const problem = begin < at ? "overlaps another tensor" : begin > at ? "leaves a gap" : "";
      throw new FormatError(
        `${where}, tensor "${name}": expected bytes from ${at} on within ${dataBytes}, received ` +
          `${begin} to ${end}${problem && `, which ${problem}`}. ` +
          `The file is truncated or damaged; copy or export it again.`,
      );
    }
    at = end;
  }
  if (at !== dataBytes) {
    throw new FormatError(
      `${where}: expected ${at} bytes of tensors, received ${dataBytes}. ` +
        `The file is damaged; copy or export it again.`,
    );
  }
}

function tensorOf(bytes: Uint8Array, dataStart: number, entry: Entry): SafeTensor {
  const { dtype, shape, begin, end } = entry;
  const array = ARRAYS[dtype];
  const length = (end - begin) / array.BYTES_PER_ELEMENT;
  const offset = bytes.byteOffset + dataStart + begin;
  const data =
    offset % array.BYTES_PER_ELEMENT === 0
      ? new array(bytes.buffer, offset, length)
      : new array(bytes.slice(dataStart + begin, dataStart + end).buffer, 0, length);
  return { dtype, shape, data } as SafeTensor;
}

/**
 * The bytes of a file. The same tensors and metadata give the same bytes whatever their order:
 * wider element types come first, so that every tensor is aligned, then names by code unit.
 * @param metadata strings by name; empty leaves `__metadata__` out
 * @throws {FormatError} if a shape does not fit its data or a name is reserved
 */
export function writeSafetensors(
  tensors: Iterable<readonly [string, SafeTensor]>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const sorted = [...tensors].sort(([nameA, a], [nameB, b]) => {
    const widths = b.data.BYTES_PER_ELEMENT - a.data.BYTES_PER_ELEMENT;
    return widths || (nameA < nameB ? -1 : nameA > nameB ? 1 : 0);
  });
  // Pairs, not an object: an object would move names that look like numbers to the front.
  const fields: string[] = [];
  const meta = Object.entries(metadata).sort(([a], [b]) => (a < b ? -1 : 1));
  if (meta.length > 0) fields.push(`"__metadata__":{${meta.map(jsonField).join(",")}}`);
  let at = 0;
  for (const [name, tensor] of sorted) {
    checkTensor(name, tensor);
    const end = at + tensor.data.byteLength;
    const { dtype, shape } = tensor;
    fields.push(jsonField([name, { dtype, shape, data_offsets: [at, end] }]));
    at = end;
  }
  const json = new TextEncoder().encode(`{${fields.join(",")}}`);
  const dataStart = Math.ceil((8 + json.length) / 8) * 8;
  const bytes = new Uint8Array(dataStart + at);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(dataStart - 8), true);
  bytes.set(json, 8);
  bytes.fill(0x20, 8 + json.length, dataStart);
  let offset = dataStart;
  for (const [, { data }] of sorted) {
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), offset);
    offset += data.byteLength;
  }
  return bytes;
}

function jsonField([name, value]: readonly [string, unknown]): string {
  return `${JSON.stringify(name)}:${JSON.stringify(value)}`;
}

function checkTensor(name: string, { dtype, shape, data }: SafeTensor): void {
  const elements = shape.reduce((a, b) => a * b, 1);
  if (name === "__metadata__" || name === "__proto__") {
    throw new FormatError(
      `safetensors: expected a tensor name, received the reserved "${name}". Rename the tensor.`,
    );
  }
  if (elements !== data.length || !(data instanceof ARRAYS[dtype])) {
    throw new FormatError(
      `safetensors, tensor "${name}": expected ${elements} elements of ${dtype} for shape ` +
        `[${shape.join(", ")}], received ${data.constructor.name} of ${data.length}. ` +
        `Pass the shape and type of the data.`,
    );
  }
}
