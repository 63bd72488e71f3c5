/**
 * TensorBoard event files: TFRecord framing around Event messages with scalars, histograms and
 * texts. Times are given by the caller, so the bytes depend on nothing else.
 * @see TensorFlow, tensorflow/core/util/event.proto, tensorflow/core/framework/summary.proto
 */
import { FormatError } from "../errors.ts";
import { maskedCrc32c } from "./crc32c.ts";
import { protoDoubles, ProtoWriter, readProtoFields, type ProtoField } from "./protobuf.ts";

/** Counts of values by range: bucket i counts values up to limit i and above limit i−1. */
export interface Histogram {
  readonly min: number;
  readonly max: number;
  readonly num: number;
  readonly sum: number;
  readonly sumSquares: number;
  readonly bucketLimits: readonly number[];
  readonly buckets: readonly number[];
}

/** One named value of a step. */
export type SummaryValue =
  | { readonly tag: string; readonly scalar: number }
  | { readonly tag: string; readonly histogram: Histogram }
  | { readonly tag: string; readonly text: string };

/** One record: either the file's version, first in every file, or values of a step. */
export interface TfEvent {
  /** Seconds since 1970. */
  readonly wallTime: number;
  readonly step: number;
  readonly fileVersion?: string;
  readonly values: readonly SummaryValue[];
}

/** The record that every event file starts with. */
export function fileVersionEvent(wallTime: number): TfEvent {
  return { wallTime, step: 0, fileVersion: "brain.Event:2", values: [] };
}

/** One event as a framed record, ready to be appended to a file. */
export function encodeTfEvent(event: TfEvent): Uint8Array {
  const writer = new ProtoWriter();
  if (event.wallTime !== 0) writer.double(1, event.wallTime);
  if (event.step !== 0) writer.varint(2, event.step);
  if (event.fileVersion !== undefined) writer.string(3, event.fileVersion);
  if (event.values.length > 0) {
    const summary = new ProtoWriter();
    for (const value of event.values) summary.message(1, encodeValue(value));
    writer.message(5, summary);
  }
  return frameRecord(writer.finish());
}

function encodeValue(value: SummaryValue): ProtoWriter {
  const writer = new ProtoWriter().string(1, value.tag);
  if ("scalar" in value) return writer.float(2, value.scalar);
  if ("histogram" in value) return writer.message(5, encodeHistogram(value.histogram));
  const unit = new ProtoWriter().varint(1, 1); // Dim { size: 1 }
  const shape = new ProtoWriter().message(2, unit);
  const tensor = new ProtoWriter().varint(1, DT_STRING).message(2, shape).string(8, value.text);
  const plugin = new ProtoWriter().string(1, "text");
  return writer.message(8, tensor).message(9, new ProtoWriter().message(1, plugin));
}

const DT_STRING = 7;

function encodeHistogram(histogram: Histogram): ProtoWriter {
  const { min, max, num, sum, sumSquares } = histogram;
  const writer = new ProtoWriter();
  [min, max, num, sum, sumSquares].forEach((value, i) => {
    if (value !== 0) writer.double(i + 1, value);
  });
  return writer.doubles(6, histogram.bucketLimits).doubles(7, histogram.buckets);
}

/** A TFRecord: length, checksum of the length, data, checksum of the data. */
export function frameRecord(data: Uint8Array): Uint8Array {
  const record = new Uint8Array(16 + data.length);
  const view = new DataView(record.buffer);
  view.setBigUint64(0, BigInt(data.length), true);
  view.setUint32(8, maskedCrc32c(record.subarray(0, 8)), true);
  record.set(data, 12);
  view.setUint32(12 + data.length, maskedCrc32c(data), true);
  return record;
}

/**
 * The records of a TFRecord file, as views of `bytes`.
 * @throws {FormatError} if the file is cut off or a checksum is wrong
 */
export function unframeRecords(bytes: Uint8Array, where: string): Uint8Array[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const records: Uint8Array[] = [];
  let at = 0;
  const fail = (received: string) =>
    new FormatError(
      `${where}, byte ${at}: expected a whole TFRecord, received ${received}. ` +
        `Cut the file off there or write it again.`,
    );
  while (at < bytes.length) {
    if (bytes.length - at < 16) throw fail("the end of the file");
    if (view.getUint32(at + 8, true) !== maskedCrc32c(bytes.subarray(at, at + 8))) {
      throw fail("a wrong checksum of its length");
    }
    const length = Number(view.getBigUint64(at, true));
    if (length > bytes.length - at - 16) throw fail("the end of the file");
    const data = bytes.subarray(at + 12, at + 12 + length);
    if (view.getUint32(at + 12 + length, true) !== maskedCrc32c(data)) {
      throw fail("a wrong checksum of its data");
    }
    records.push(data);
    at += 16 + length;
  }
  return records;
}

/**
 * The events of a file. Values of other kinds than scalar, histogram and text are left out.
 * @throws {FormatError} if the file is cut off or damaged
 */
export function decodeTfEvents(bytes: Uint8Array, where: string): TfEvent[] {
  return unframeRecords(bytes, where).map((record, i) => {
    return decodeEvent(record, `${where}, record ${i + 1}`);
  });
}

function decodeEvent(record: Uint8Array, where: string): TfEvent {
  let wallTime = 0;
  let step = 0;
  let fileVersion: string | undefined;
  const values: SummaryValue[] = [];
  for (const field of readProtoFields(record, where)) {
    if (field.field === 1) wallTime = protoDoubles(field, where)[0] ?? 0;
    else if (field.field === 2 && field.wire === "varint") {
      step = Number(BigInt.asIntN(64, field.value));
    } else if (field.field === 3) fileVersion = textOf(field, where);
    else if (field.field === 5) {
      for (const fields of readMessages(field, 1, where)) {
        const decoded = decodeValue(fields, where);
        if (decoded !== undefined) values.push(decoded);
      }
    }
  }
  return { wallTime, step, values, ...(fileVersion === undefined ? {} : { fileVersion }) };
}

function bytesOf(field: ProtoField, where: string): Uint8Array {
  if (field.wire === "bytes") return field.bytes;
  throw new FormatError(
    `${where}, field ${field.field}: expected bytes, received ${field.wire}. ` +
      `The file is damaged or of another kind.`,
  );
}

function textOf(field: ProtoField, where: string): string {
  return new TextDecoder().decode(bytesOf(field, where));
}

/** The submessages with a field number inside a message field. */
function readMessages(field: ProtoField, number: number, where: string) {
  return readProtoFields(bytesOf(field, where), where)
    .filter((inner) => inner.field === number)
    .map((inner) => readProtoFields(bytesOf(inner, where), where));
}

function decodeValue(fields: readonly ProtoField[], where: string): SummaryValue | undefined {
  let tag = "";
  let value: SummaryValue | undefined;
  for (const field of fields) {
    if (field.field === 1) tag = textOf(field, where);
    else if (field.field === 2 && field.wire === "fixed32") {
      const view = new DataView(field.bytes.buffer, field.bytes.byteOffset, 4);
      value = { tag, scalar: view.getFloat32(0, true) };
    } else if (field.field === 5) value = { tag, histogram: decodeHistogram(field, where) };
    else if (field.field === 8) {
      const text = readProtoFields(bytesOf(field, where), where).find((f) => f.field === 8);
      if (text !== undefined) value = { tag, text: textOf(text, where) };
    }
  }
  return value === undefined ? undefined : { ...value, tag };
}

function decodeHistogram(field: ProtoField, where: string): Histogram {
  const numbers: number[][] = Array.from({ length: 8 }, () => []);
  for (const inner of readProtoFields(bytesOf(field, where), where)) {
    numbers[inner.field]?.push(...protoDoubles(inner, where));
  }
  const [min, max, num, sum, sumSquares] = numbers.slice(1, 6).map(([value]) => value ?? 0);
  return {
    min: min!,
    max: max!,
    num: num!,
    sum: sum!,
    sumSquares: sumSquares!,
    bucketLimits: numbers[6]!,
    buckets: numbers[7]!,
  };
}
