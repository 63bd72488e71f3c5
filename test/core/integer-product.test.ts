import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { exactSlice, integerProduct, scaleAccumulator } from "../../src/core/integer-product.ts";
import { fillRandomUniform } from "../../src/core/random.ts";

const size = fc.integer({ min: 1, max: 9 });
const bytes = (stream: number, length: number) =>
  Array.from(fillRandomUniform(new Float32Array(length), 3, stream), (u) => Math.floor(u * 256));

describe("integerProduct", () => {
  it("equals the sum of products for every size, zero point and transposition", () => {
    fc.assert(
      fc.property(size, size, size, fc.boolean(), (m, k, n, transposeB) => {
        const a = Uint8Array.from(bytes(m, m * k));
        const b = Int8Array.from(bytes(n + 10, k * n).map((v) => v - 128));
        const spec = { m, k, n, transposeB, zeroA: 128, zeroB: -3 };
        const expected = Array.from({ length: m * n }, (_, at) => {
          const [i, j] = [Math.floor(at / n), at % n];
          let sum = 0n;
          for (let p = 0; p < k; p++) {
            const right = transposeB ? b[j * k + p]! : b[p * n + j]!;
            sum += BigInt(a[i * k + p]! - 128) * BigInt(right + 3);
          }
          return Number(sum);
        });
        expect([...integerProduct(a, b, spec)]).toEqual(expected);
      }),
    );
  });

  it("takes codes of any array type", () => {
    const spec = { m: 1, k: 2, n: 1 };
    for (const array of [
      Int8Array,
      Uint8Array,
      Int16Array,
      Uint16Array,
      Int32Array,
      Float32Array,
    ]) {
      expect([...integerProduct(array.of(3, 5), array.of(7, 2), spec)]).toEqual([31]);
    }
  });

  it("is exact at the extremes", () => {
    const a = new Uint8Array(4096).fill(255);
    const b = new Int8Array(4096).fill(-128);
    const spec = { m: 1, k: 4096, n: 1 };
    expect([...integerProduct(a, b, spec)]).toEqual([4096 * 255 * -128]);
  });

  it("refuses operands that do not fit, and sums beyond int32", () => {
    const two = Int8Array.of(1, 2);
    expect(() => integerProduct(two, two, { m: 2, k: 2, n: 1 })).toThrow(
      "integerProduct: expected 2·2 and 2·1 codes, received 2 and 2.",
    );
    const wide = new Int32Array(2).fill(40000);
    expect(() => integerProduct(wide, wide, { m: 1, k: 2, n: 1 })).toThrow("sums below 2^31");
  });
});

describe("scaleAccumulator", () => {
  const f = Math.fround;
  const acc = Int32Array.of(123456789, -7, 0, 2 ** 24 + 1);

  it("rounds the sum, the scale, their product and the bias once each", () => {
    const y = scaleAccumulator(acc, 2, { scaleA: 0.1, scaleB: [0.3, 0.7], bias: [0.2, -5] });
    const [s0, s1] = [f(f(0.1) * f(0.3)), f(f(0.1) * f(0.7))];
    expect([...y]).toEqual([
      f(f(f(123456789) * s0) + f(0.2)),
      f(f(-7 * s1) - 5),
      f(0.2),
      f(f(2 ** 24 * s1) - 5),
    ]);
  });

  it("uses one scale for all columns and no bias", () => {
    const y = scaleAccumulator(acc, 4, { scaleA: 0.5, scaleB: [0.5] });
    expect([...y]).toEqual([f(123456789) / 4, -1.75, 0, 2 ** 22]);
  });

  it("refuses a wrong number of scales", () => {
    expect(() => scaleAccumulator(acc, 4, { scaleA: 1, scaleB: [1, 2] })).toThrow(
      "expected 1 or 4 scales and no or 4 biases, received 2 and 0.",
    );
  });
});

it("exactSlice gives the design's limits", () => {
  expect(exactSlice(128, 128)).toBe(1024);
  expect(exactSlice(255, 128)).toBe(514);
  expect(exactSlice(255, 255)).toBe(258);
  expect(exactSlice(0, 255)).toBe(Infinity);
  expect(() => exactSlice(65535, 65535)).toThrow("Operands of an integer product");
});
