/**
 * The protocol buffer wire format: fields of a message to bytes and back, without descriptors.
 * @see https://protobuf.dev/programming-guides/encoding
 */
import { FormatError } from "../errors.ts";

const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;

/** Writes the fields of one message, in the order of the calls. */
export class ProtoWriter {
  #bytes = new Uint8Array(64);
  #length = 0;

  /** The message so far. */
  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  /** int32, int64, uint64, bool, enum; negative numbers take ten bytes, as the format demands. */
  varint(field: number, value: number | bigint | boolean): this {
    this.#tag(field, VARINT);
    this.#varint(BigInt(value));
    return this;
  }

  double(field: number, value: number): this {
    return this.#fixed(field, FIXED64, (view) => {
      view.setFloat64(0, value, true);
    });
  }

  float(field: number, value: number): this {
    return this.#fixed(field, FIXED32, (view) => {
      view.setFloat32(0, value, true);
    });
  }

  bytes(field: number, value: Uint8Array): this {
    this.#tag(field, BYTES);
    this.#varint(BigInt(value.length));
    this.#room(value.length);
    this.#bytes.set(value, this.#length);
    this.#length += value.length;
    return this;
  }

  string(field: number, value: string): this {
    return this.bytes(field, new TextEncoder().encode(value));
  }

  message(field: number, value: ProtoWriter): this {
    return this.bytes(field, value.finish());
  }

  /** A packed repeated double. */
  doubles(field: number, values: ArrayLike<number>): this {
    const view = new DataView(new ArrayBuffer(values.length * 8));
    for (let i = 0; i < values.length; i++) view.setFloat64(i * 8, values[i]!, true);
    return this.bytes(field, new Uint8Array(view.buffer));
  }

  /** A packed repeated float. */
  floats(field: number, values: ArrayLike<number>): this {
    const view = new DataView(new ArrayBuffer(values.length * 4));
    for (let i = 0; i < values.length; i++) view.setFloat32(i * 4, values[i]!, true);
    return this.bytes(field, new Uint8Array(view.buffer));
  }

  /** A packed repeated int32, int64, bool or enum. */
  varints(field: number, values: readonly (number | boolean)[]): this {
    const packed = new ProtoWriter();
    for (const value of values) packed.#varint(BigInt(value));
    return this.bytes(field, packed.finish());
  }

  #tag(field: number, wire: number): void {
    this.#varint(BigInt(field * 8 + wire));
  }

  #varint(value: bigint): void {
    this.#room(10);
    let rest = BigInt.asUintN(64, value);
    while (rest >= 0x80n) {
      this.#bytes[this.#length++] = Number(rest & 0x7fn) | 0x80;
      rest >>= 7n;
    }
    this.#bytes[this.#length++] = Number(rest);
  }

  #fixed(
    field: number,
    wire: typeof FIXED64 | typeof FIXED32,
    set: (view: DataView) => void,
  ): this {
    this.#tag(field, wire);
    const size = wire === FIXED64 ? 8 : 4;
    this.#room(size);
    set(new DataView(this.#bytes.buffer, this.#length, size));
    this.#length += size;
    return this;
  }

  #room(more: number): void {
    if (this.#length + more <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + more));
    grown.set(this.#bytes);
    this.#bytes = grown;
  }
}

/** One field as it lies on the wire; a varint as an unsigned 64-bit integer. */
export type ProtoField =
  | { readonly field: number; readonly wire: "varint"; readonly value: bigint }
  | {
      readonly field: number;
      readonly wire: "fixed64" | "fixed32" | "bytes";
      readonly bytes: Uint8Array;
    };

/**
 * The fields of a message, in order. Bytes are views of `message`.
 * @param where names the source in messages
 * @throws {FormatError} if the message is cut off or has a wire type that is not in use
 */
export function readProtoFields(message: Uint8Array, where: string): ProtoField[] {
  const fields: ProtoField[] = [];
  let at = 0;
  const fail = (received: string) =>
    new FormatError(
      `${where}: expected a protocol buffer message, received ${received} at byte ${at}. ` +
        `The file is truncated or damaged.`,
    );
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = message[at++];
      if (byte === undefined) throw fail("its end");
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw fail("an integer of more than ten bytes");
  };
  const take = (size: number): Uint8Array => {
    if (size > message.length - at) throw fail("its end");
    at += size;
    return message.subarray(at - size, at);
  };
  while (at < message.length) {
    const tag = varint();
    const field = Number(tag >> 3n);
    const wire = Number(tag & 7n);
    if (field === 0) throw fail("field number 0");
    if (wire === VARINT) fields.push({ field, wire: "varint", value: varint() });
    else if (wire === FIXED64) fields.push({ field, wire: "fixed64", bytes: take(8) });
    else if (wire === BYTES) fields.push({ field, wire: "bytes", bytes: take(Number(varint())) });
    else if (wire === FIXED32) fields.push({ field, wire: "fixed32", bytes: take(4) });
    else throw fail(`wire type ${wire}`);
  }
  return fields;
}

/**
 * The doubles of a fixed64 field or of a packed bytes field.
 * @throws {FormatError} if the field holds something else
 */
export function protoDoubles(field: ProtoField, where: string): number[] {
  if (field.wire === "varint" || field.wire === "fixed32" || field.bytes.length % 8 !== 0) {
    throw new FormatError(
      `${where}, field ${field.field}: expected doubles, received ${field.wire}. ` +
        `The file is damaged or of another kind.`,
    );
  }
  const view = new DataView(field.bytes.buffer, field.bytes.byteOffset, field.bytes.byteLength);
  return Array.from({ length: field.bytes.length / 8 }, (_, i) => view.getFloat64(i * 8, true));
}
