import { expect, it } from "vitest";
import { float16Bits, fromFloat16Bits, roundFloat16 } from "../../src/core/float16.ts";
import { float16Cases } from "../helpers/float16-cases.ts";

it("gives the nearest of all 65,536 numbers of binary16, of two the even one", () => {
  const { inputs, expected } = float16Cases();
  expect(inputs.length).toBeGreaterThan(2 * 4 * 0x7bff);
  const wrong = inputs.findIndex((x, i) => !Object.is(roundFloat16(x), expected[i]!));
  expect(
    wrong === -1 ? [] : [inputs[wrong], roundFloat16(inputs[wrong]!), expected[wrong]],
  ).toEqual([]);
});

it.each([
  // Python 3: struct.unpack("e", struct.pack("e", x)); infinity by PyTorch
  [0.1, 0.0999755859375],
  [3.14159274, 3.140625],
  [1 / 3, 0.333251953125],
  [2049, 2048],
  [2051, 2052],
  [65519.99, 65504],
  [65520, Infinity],
  [1e-7, 1.1920928955078125e-7],
  [2.98e-8, 0],
  [6.1e-5, 6.097555160522461e-5],
])("rounds %d as Python: %d", (x, expected) => {
  expect(roundFloat16(Math.fround(x))).toBe(expected);
});

it.each([
  // Python 3: struct.pack(">e", x).hex()
  [0.1, 0x2e66],
  [-2, 0xc000],
  [65504, 0x7bff],
  [65520, 0x7c00],
  [6.1e-5, 0x03ff],
  [-1e-7, 0x8002],
  [-0, 0x8000],
  [NaN, 0x7e00],
])("stores %d in the bits of Python", (x, bits) => {
  expect(float16Bits(Float32Array.of(x))).toEqual(Uint16Array.of(bits));
});

it("gets every number back from its bits", () => {
  const all = Uint16Array.from({ length: 0x10000 }, (_, bits) => bits);
  const values = fromFloat16Bits(all);
  const isNaNBits = (bits: number): boolean => (bits & 0x7fff) > 0x7c00;
  expect(float16Bits(values)).toEqual(all.map((bits) => (isNaNBits(bits) ? 0x7e00 : bits)));
  expect(Array.from(values.subarray(0x3bff, 0x3c02))).toEqual([1 - 2 ** -11, 1, 1 + 2 ** -10]);
  expect([values[1], values[0xfc00]]).toEqual([2 ** -24, -Infinity]);
});
