import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FormatError } from "../../src/errors.ts";
import {
  readSafetensors,
  writeSafetensors,
  type SafeTensor,
} from "../../src/formats/safetensors.ts";

const reference = JSON.parse(
  readFileSync(new URL("../fixtures/formats/reference.json", import.meta.url), "utf8"),
) as {
  safetensors: {
    file: string;
    tensors: Record<string, { shape: number[]; bytes: string }>;
    metadata: Record<string, string>;
  };
};
const file = new Uint8Array(Buffer.from(reference.safetensors.file, "base64"));

/** A file with this header text and so many bytes of data. */
function fileOf(header: string, dataBytes = 0): Uint8Array {
  const text = new TextEncoder().encode(header);
  const bytes = new Uint8Array(8 + text.length + dataBytes);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  return bytes;
}

describe("files of the reference implementation", () => {
  it("are read with every element type", () => {
    const { tensors, metadata } = readSafetensors(file, "reference");
    expect(metadata).toEqual(reference.safetensors.metadata);
    const listing = reference.safetensors.tensors;
    expect([...tensors.keys()].sort()).toEqual(Object.keys(listing).sort());
    for (const [name, tensor] of tensors) {
      const { data } = tensor;
      const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
      expect(tensor.shape).toEqual(listing[name]!.shape);
      expect(bytes.toString("base64")).toBe(listing[name]!.bytes);
    }
    expect(tensors.get("layer/kernel")).toMatchObject({ dtype: "F32", shape: [2, 3] });
    expect(tensors.get("long")!.data).toEqual(BigInt64Array.of(-(2n ** 63n), 2n ** 53n + 1n));
    expect(tensors.get("half")!.data).toEqual(Uint16Array.of(0x3800, 0xc000, 0x7bff));
  });

  it("are read from an odd address, with equal values", () => {
    const shifted = new Uint8Array(file.length + 1);
    shifted.set(file, 1);
    const there = readSafetensors(shifted.subarray(1), "shifted").tensors;
    for (const [name, { data }] of readSafetensors(file, "reference").tensors) {
      expect(there.get(name)!.data).toEqual(data);
    }
  });

  it("are written again with the same content", () => {
    const { tensors, metadata } = readSafetensors(file, "reference");
    const again = readSafetensors(writeSafetensors(tensors, metadata), "again");
    expect([...again.tensors].sort()).toEqual([...tensors].sort());
    expect(again.metadata).toEqual(metadata);
  });
});

describe("writeSafetensors", () => {
  const kernel: SafeTensor = { dtype: "F32", shape: [1, 2], data: Float32Array.of(1, 2) };
  const codes: SafeTensor = { dtype: "I8", shape: [3], data: Int8Array.of(-1, 0, 1) };

  it("gives the same bytes in any order, aligned, with a header padded by spaces", () => {
    const bytes = writeSafetensors(
      [
        ["a", codes],
        ["b", kernel],
        ["7", codes],
      ],
      { z: "1", y: "2" },
    );
    const other = writeSafetensors(
      [
        ["7", codes],
        ["b", kernel],
        ["a", codes],
      ],
      { y: "2", z: "1" },
    );
    expect(other).toEqual(bytes);
    const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
    expect(length % 8).toBe(0);
    const header = new TextDecoder().decode(bytes.subarray(8, 8 + length));
    expect(header.trimEnd()).toBe(
      '{"__metadata__":{"y":"2","z":"1"},"b":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},' +
        '"7":{"dtype":"I8","shape":[3],"data_offsets":[8,11]},' +
        '"a":{"dtype":"I8","shape":[3],"data_offsets":[11,14]}}',
    );
    const { data } = readSafetensors(bytes, "f").tensors.get("b")!;
    expect(data.buffer).toBe(bytes.buffer);
  });

  it("writes an empty file", () => {
    expect(readSafetensors(writeSafetensors([]), "f").tensors.size).toBe(0);
  });

  it("refuses data that does not fit its shape or type, and reserved names", () => {
    const wrong = { dtype: "F32", shape: [3], data: Float32Array.of(1) } as const;
    expect(() => writeSafetensors([["w", wrong]])).toThrow(
      'safetensors, tensor "w": expected 3 elements of F32 for shape [3], received Float32Array of 1.',
    );
    const mistyped = { dtype: "I8", shape: [1], data: Float32Array.of(1) } as unknown as SafeTensor;
    expect(() => writeSafetensors([["w", mistyped]])).toThrow("elements of I8");
    expect(() => writeSafetensors([["__metadata__", codes]])).toThrow("reserved");
  });
});

describe("hostile files are refused with a message", () => {
  const entry = (shape: unknown, offsets: unknown, dtype = "I8") =>
    JSON.stringify({ dtype, shape, data_offsets: offsets });
  const huge = fileOf("{}");
  new DataView(huge.buffer).setBigUint64(0, 2n ** 63n, true);
  const overlong = fileOf("{}");
  new DataView(overlong.buffer).setBigUint64(0, 1000n, true);
  const notUtf8 = fileOf('{"a":1}');
  notUtf8[10] = 0xff;

  it.each([
    { name: "nothing", bytes: new Uint8Array(0), says: "at least 8 bytes, received 0" },
    { name: "a huge header", bytes: huge, says: "at most 100000000 bytes" },
    { name: "a header beyond the end", bytes: overlong, says: "a header of 1000 bytes" },
    { name: "bytes that are no UTF-8", bytes: notUtf8, says: "a header in UTF-8" },
    { name: "a header that is no JSON", bytes: fileOf("{oops"), says: "expected JSON" },
    { name: "a header that is a list", bytes: fileOf("[]"), says: "a JSON object" },
    { name: "a header after a space", bytes: fileOf(" {}"), says: "a JSON object" },
    {
      name: "a name twice",
      bytes: fileOf(`{"a":${entry([1], [0, 1])},"a":${entry([1], [1, 2])}}`, 2),
      says: '"a" twice',
    },
    {
      name: "__proto__",
      bytes: fileOf(`{"__proto__":${entry([1], [0, 1])}}`, 1),
      says: '"__proto__"',
    },
    {
      name: "overlapping tensors",
      bytes: fileOf(`{"a":${entry([2], [0, 2])},"b":${entry([2], [1, 3])}}`, 3),
      says: "overlaps another tensor",
    },
    {
      name: "one place for two tensors",
      bytes: fileOf(`{"a":${entry([2], [0, 2])},"b":${entry([2], [0, 2])}}`, 2),
      says: "overlaps another tensor",
    },
    {
      name: "a gap",
      bytes: fileOf(`{"a":${entry([1], [0, 1])},"b":${entry([1], [2, 3])}}`, 3),
      says: "leaves a gap",
    },
    {
      name: "data beyond the end",
      bytes: fileOf(`{"a":${entry([4], [0, 4])}}`, 3),
      says: "within 3, received 0 to 4",
    },
    {
      name: "data after the last tensor",
      bytes: fileOf(`{"a":${entry([1], [0, 1])}}`, 2),
      says: "expected 1 bytes of tensors, received 2",
    },
    { name: "a negative size", bytes: fileOf(`{"a":${entry([-1], [0, 1])}}`, 1), says: "a shape" },
    { name: "a fraction", bytes: fileOf(`{"a":${entry([1.5], [0, 1])}}`, 1), says: "a shape" },
    { name: "a shape in words", bytes: fileOf(`{"a":${entry("2", [0, 1])}}`, 1), says: "a shape" },
    {
      name: "a size that overflows",
      bytes: fileOf(`{"a":${entry([2 ** 40, 2 ** 40], [0, 1])}}`, 1),
      says: "bytes apart",
    },
    {
      name: "a size that overflows to zero by a factor 0",
      bytes: fileOf(`{"a":${entry([0, 2 ** 60], [0, 1])}}`, 1),
      says: "a shape",
    },
    {
      name: "reversed offsets",
      bytes: fileOf(`{"a":${entry([1], [1, 0])}}`, 1),
      says: "1 bytes apart",
    },
    { name: "one offset", bytes: fileOf(`{"a":${entry([1], [0])}}`, 1), says: "two data_offsets" },
    {
      name: "an unknown element type",
      bytes: fileOf(`{"a":${entry([1], [0, 1], "F8_E4M3")}}`, 1),
      says: "a dtype among F64, I64, F32",
    },
    {
      name: "an element type from the prototype",
      bytes: fileOf(`{"a":${entry([1], [0, 1], "toString")}}`, 1),
      says: "a dtype among",
    },
    { name: "an entry that is null", bytes: fileOf('{"a":null}'), says: "an object with dtype" },
    {
      name: "metadata that are no strings",
      bytes: fileOf('{"__metadata__":{"a":1}}'),
      says: "an object of strings",
    },
  ])("$name", ({ bytes, says }) => {
    expect(() => readSafetensors(bytes, "w.safetensors")).toThrow(FormatError);
    expect(() => readSafetensors(bytes, "w.safetensors")).toThrow(says);
    expect(() => readSafetensors(bytes, "w.safetensors")).toThrow(/^w\.safetensors.*: expected /);
  });

  it("every truncation and every damaged byte either reads or throws FormatError", () => {
    for (let length = 0; length < file.length; length++) {
      expect(() => readSafetensors(file.subarray(0, length), "f")).toThrow(FormatError);
    }
    fc.assert(
      fc.property(fc.nat(file.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const damaged = Uint8Array.from(file);
        damaged[at]! ^= change;
        try {
          readSafetensors(damaged, "f");
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
        }
      }),
      { numRuns: 2000 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.string(), (bytes, header) => {
        for (const candidate of [bytes, fileOf(header, 3), fileOf(`{${header}}`)]) {
          try {
            readSafetensors(candidate, "f");
          } catch (error) {
            expect(error).toBeInstanceOf(FormatError);
          }
        }
      }),
      { numRuns: 1000 },
    );
  });
});
