import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FormatError } from "../../src/errors.ts";
import { crc32c, maskedCrc32c } from "../../src/formats/crc32c.ts";
import { protoDoubles, ProtoWriter, readProtoFields } from "../../src/formats/protobuf.ts";
import {
  decodeTfEvents,
  encodeTfEvent,
  fileVersionEvent,
  frameRecord,
  type TfEvent,
} from "../../src/formats/tfevents.ts";

const golden = new Uint8Array(
  Buffer.from(
    (
      JSON.parse(
        readFileSync(new URL("../fixtures/formats/reference.json", import.meta.url), "utf8"),
      ) as { tfevents: string }
    ).tfevents,
    "base64",
  ),
);

/** What scripts/oracles/formats.py wrote with TensorFlow. */
const events: TfEvent[] = [
  fileVersionEvent(1700000000.25),
  {
    wallTime: 1700000001.5,
    step: 10,
    values: [
      { tag: "loss", scalar: 1.25 },
      { tag: "lr", scalar: 0 },
    ],
  },
  {
    wallTime: 1700000002,
    step: 2 ** 33 + 5,
    values: [
      {
        tag: "weights",
        histogram: {
          min: -1.5,
          max: 2.25,
          num: 4,
          sum: 0.5,
          sumSquares: 9,
          bucketLimits: [-1, 0, 3],
          buckets: [1, 1, 2],
        },
      },
    ],
  },
  { wallTime: 0, step: 11, values: [{ tag: "note", text: "größer" }] },
];

const concat = (parts: readonly Uint8Array[]) => new Uint8Array(Buffer.concat(parts));

describe("TensorBoard files", () => {
  it("equal TensorFlow's bytes", () => {
    expect(concat(events.map(encodeTfEvent))).toEqual(golden);
  });

  it("are read back", () => {
    expect(decodeTfEvents(golden, "events")).toEqual(events);
  });

  it("leave out kinds of values that are not known", () => {
    const image = new ProtoWriter().string(1, "image").message(4, new ProtoWriter().varint(1, 3));
    const loss = new ProtoWriter().string(1, "loss").float(2, 0.5);
    const summary = new ProtoWriter().message(1, image).message(1, loss);
    const file = frameRecord(new ProtoWriter().message(5, summary).finish());
    expect(decodeTfEvents(file, "f")).toEqual([
      { wallTime: 0, step: 0, values: [{ tag: "loss", scalar: 0.5 }] },
    ]);
  });

  it("that are truncated or damaged are refused", () => {
    expect(() => decodeTfEvents(golden.subarray(0, golden.length - 1), "events")).toThrow(
      /^events, byte \d+: expected a whole TFRecord, received the end of the file\. /,
    );
    for (let at = 0; at < golden.length; at++) {
      const damaged = Uint8Array.from(golden);
      damaged[at]! ^= 0x10;
      expect(() => decodeTfEvents(damaged, "events")).toThrow(FormatError);
    }
  });
});

describe("CRC-32C", () => {
  // RFC 3720, appendix B.4.
  it.each([
    { bytes: new Uint8Array(32), crc: 0x8a9136aa },
    { bytes: new Uint8Array(32).fill(0xff), crc: 0x62a8ab43 },
    { bytes: Uint8Array.from({ length: 32 }, (_, i) => i), crc: 0x46dd794e },
    { bytes: new TextEncoder().encode("123456789"), crc: 0xe3069283 },
  ])("of known bytes is $crc", ({ bytes, crc }) => {
    expect(crc32c(bytes)).toBe(crc);
  });

  it("is masked by a rotation and a constant", () => {
    const crc = 0xe3069283;
    const rotated = ((crc >>> 15) | (crc << 17)) >>> 0;
    expect(maskedCrc32c(new TextEncoder().encode("123456789"))).toBe(
      (rotated + 0xa282ead8) % 2 ** 32,
    );
  });
});

describe("protocol buffers", () => {
  it("give back every field", () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
        fc.double(),
        fc.uint8Array({ maxLength: 300 }),
        fc.integer({ min: 1, max: 2 ** 29 - 1 }),
        (integer, number, bytes, field) => {
          const message = new ProtoWriter()
            .varint(field, integer)
            .double(field, number)
            .bytes(field, bytes)
            .float(field, number)
            .doubles(field, [number, 1])
            .finish();
          const [a, b, c, d, e] = readProtoFields(message, "f");
          expect(a).toEqual({ field, wire: "varint", value: BigInt.asUintN(64, integer) });
          expect(protoDoubles(b!, "f")).toEqual([number]);
          expect(c).toMatchObject({ field, wire: "bytes", bytes });
          expect(d).toMatchObject({ field, wire: "fixed32" });
          expect(protoDoubles(e!, "f")).toEqual([number, 1]);
        },
      ),
    );
  });

  it.each([
    { name: "a message that ends in a field", bytes: [0x0a, 5, 1], says: "received its end" },
    {
      name: "an endless integer",
      bytes: [8, ...new Array<number>(11).fill(0xff)],
      says: "ten bytes",
    },
    { name: "a group", bytes: [0x0b], says: "wire type 3" },
    { name: "field number 0", bytes: [0, 1], says: "field number 0" },
    {
      name: "a length beyond 2^53",
      bytes: [0x0a, ...new Array<number>(9).fill(0xff), 1],
      says: "its end",
    },
  ])("refuse $name", ({ bytes, says }) => {
    expect(() => readProtoFields(Uint8Array.from(bytes), "model")).toThrow(FormatError);
    expect(() => readProtoFields(Uint8Array.from(bytes), "model")).toThrow(says);
  });

  it("never throw anything but FormatError", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        try {
          for (const field of readProtoFields(bytes, "f")) protoDoubles(field, "f");
        } catch (error) {
          expect(error).toBeInstanceOf(FormatError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
