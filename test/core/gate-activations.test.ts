import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { sigmoid32, tanh32, TANH_SPLIT } from "../../src/core/gate-activations.ts";

const float = new Float32Array(1);
const bits = new Int32Array(float.buffer);

/** Distance between neighbouring float32 numbers around x. */
function ulpOf(x: number): number {
  float[0] = x;
  bits[0]! &= 0x7f800000;
  return float[0] * 2 ** -23;
}

/** Positive float32 numbers from `from` to `to`, every `step`-th. */
function* positives(from: number, to: number, step: number): Generator<number> {
  float[0] = to;
  const last = bits[0]!;
  float[0] = from;
  for (let word = bits[0]!; word <= last; word += step) {
    bits[0] = word;
    yield float[0];
  }
}

/** Largest distance from `exact` in ulp. */
function worstError(
  values: Iterable<number>,
  f: (x: number) => number,
  exact: (x: number) => number,
): number {
  let worst = 0;
  for (const x of values) {
    const y = exact(x);
    worst = Math.max(worst, Math.abs(f(x) - y) / ulpOf(y));
  }
  return worst;
}

/** How often a value is below the one before. */
function fallsIn(values: Iterable<number>, f: (x: number) => number): number {
  let falls = 0;
  let before = -Infinity;
  for (const x of values) {
    const y = f(x);
    if (!(y >= before)) falls++;
    before = y;
  }
  return falls;
}

const hashOf = (f: (x: number) => number): string => {
  const y = Float32Array.from({ length: 40 * 4096 + 1 }, (_, i) => f(i / 4096 - 20));
  return createHash("sha256").update(new Uint8Array(y.buffer)).digest("hex");
};

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));

describe("sigmoid32", () => {
  it("is within 1.5 ulp of the real one above zero, 2.5 below", () => {
    expect(worstError(positives(1e-7, 100, 997), sigmoid32, sigmoid)).toBeLessThan(1.5);
    const below = (x: number): number => sigmoid32(-x);
    const exact = (x: number): number => sigmoid(-x);
    expect(worstError(positives(1e-7, 87, 997), below, exact)).toBeLessThan(2.5);
  });

  it("saturates, keeps NaN, is ½ at zero", () => {
    expect([17, 88, 3e38, Infinity].map(sigmoid32)).toEqual([1, 1, 1, 1]);
    expect([-88, -3e38, -Infinity].map(sigmoid32)).toEqual([0, 0, 0]);
    expect(sigmoid32(-87)).toBeGreaterThan(0);
    expect([0, -0, NaN].map(sigmoid32)).toEqual([0.5, 0.5, NaN]);
  });

  it("never falls", () => {
    const grid = Array.from({ length: 180 * 512 + 1 }, (_, i) => i / 512 - 90);
    expect(fallsIn(grid, sigmoid32)).toBe(0);
    expect(fallsIn(positives(16.5, 16.7, 1), sigmoid32)).toBe(0);
  });

  it("equals the same steps in numpy float32 from −20 to 20, bit for bit", () => {
    // scripts/oracles/polynomials.py
    expect(hashOf(sigmoid32)).toBe(
      "c4a723213217c23f47ad291158cd594e16186af1c906b8858dfc85451e333d19",
    );
  });
});

describe("tanh32", () => {
  it("is within 1 ulp of the real one below the split and 1.51 above", () => {
    const below = positives(1e-30, TANH_SPLIT, 997);
    expect(worstError(below, tanh32, Math.tanh)).toBeLessThan(1);
    expect(worstError(positives(TANH_SPLIT, 30, 97), tanh32, Math.tanh)).toBeLessThan(1.51);
  });

  it("is odd to the bit and keeps signed zeros, tiny numbers and NaN", () => {
    for (const x of positives(1e-42, 50, 99_991)) expect(tanh32(-x)).toBe(-tanh32(x));
    const tiny = Math.fround(1e-42);
    expect([0, -0, tiny, -tiny, NaN].map(tanh32)).toEqual([0, -0, tiny, -tiny, NaN]);
  });

  it("saturates at ±1 and stays there", () => {
    const ends = [8.67, 44, 3e38, Infinity].map(Math.fround);
    expect(ends.map(tanh32)).toEqual([1, 1, 1, 1]);
    expect(ends.map((x) => tanh32(-x))).toEqual([-1, -1, -1, -1]);
    expect(tanh32(Math.fround(8.66))).toBeLessThan(1);
  });

  it("never falls: around the split, where it saturates, and in between", () => {
    expect(fallsIn(positives(0.6249, 0.6251, 1), tanh32)).toBe(0);
    expect(fallsIn(positives(8.5, 8.8, 1), tanh32)).toBe(0);
    expect(fallsIn(positives(1e-7, 50, 1009), tanh32)).toBe(0);
  });

  it("equals the same steps in numpy float32 from −20 to 20, bit for bit", () => {
    // scripts/oracles/polynomials.py
    expect(hashOf(tanh32)).toBe("42c76a5e4727da4a63469be5acf03386b9561d48f04aafc85bf00c9a88e653e6");
  });
});
