import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { codeOf, gridOf, roundHalfEven, valueOf } from "../../src/core/affine.ts";
import { qtypeOf, SMALLEST_CLIP, type QuantKind, type Rounding } from "../../src/core/qtype.ts";

const kinds = ["weight", "act", "relu", "softmax"] as const satisfies QuantKind[];
const anyGrid = fc
  .record({
    kind: fc.constantFrom(...kinds),
    bits: fc.integer({ min: 2, max: 16 }),
    clip: fc.float({ min: Math.fround(1e-30), max: Math.fround(1e30), noNaN: true }),
    rounding: fc.constantFrom<Rounding>("half_even", "half_up"),
  })
  .map(({ kind, bits, clip, rounding }) => gridOf(kind, bits, clip, rounding));
/** A fraction of the range, from well below to well above it. */
const place = fc.float({ min: -2, max: 2, noNaN: true });
const at = (grid: { highest: number }, fraction: number) => Math.fround(grid.highest * fraction);

describe("properties of every grid", () => {
  it("is idempotent: a value's code gives the value back", () => {
    fc.assert(
      fc.property(anyGrid, place, (grid, fraction) => {
        const y = valueOf(codeOf(at(grid, fraction), grid), grid);
        expect(valueOf(codeOf(y, grid), grid)).toBe(y);
      }),
      { numRuns: 2000 },
    );
  });

  it("is monotone", () => {
    fc.assert(
      fc.property(anyGrid, place, place, (grid, a, b) => {
        const [low, high] = [Math.min(a, b), Math.max(a, b)];
        expect(codeOf(at(grid, low), grid)).toBeLessThanOrEqual(codeOf(at(grid, high), grid));
      }),
      { numRuns: 2000 },
    );
  });

  it("keeps zero exact and never gives −0", () => {
    fc.assert(
      fc.property(anyGrid, (grid) => {
        for (const zero of [0, -0, -grid.scale / 8]) {
          expect(Object.is(codeOf(Math.fround(zero), grid), 0)).toBe(true);
        }
      }),
    );
  });

  it("stays within half a step inside the range", () => {
    fc.assert(
      fc.property(anyGrid, place, (grid, fraction) => {
        const x = at(grid, fraction);
        if (x < grid.lowest || x > grid.highest) return;
        const error = Math.abs(valueOf(codeOf(x, grid), grid) - x);
        expect(error).toBeLessThanOrEqual(grid.scale / 2 + Math.abs(x) * 2 ** -22);
      }),
      { numRuns: 2000 },
    );
  });

  it("stays within its codes, infinity included", () => {
    fc.assert(
      fc.property(anyGrid, fc.float({ noNaN: true }), (grid, x) => {
        const q = codeOf(x, grid);
        expect(Number.isInteger(q) && q >= grid.qmin && q <= grid.qmax).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });
});

describe("scales", () => {
  it.each([
    { kind: "weight", bits: 8, clip: 1, scale: Math.fround(1 / 127) },
    { kind: "act", bits: 4, clip: 3, scale: Math.fround(3 / 7) },
    { kind: "relu", bits: 8, clip: 16, scale: Math.fround(16 / 255) },
    { kind: "softmax", bits: 8, clip: 99, scale: 1 / 256 },
  ] as const)("is $scale for $kind, $bits bits, clip $clip", ({ kind, bits, clip, scale }) => {
    expect(gridOf(kind, bits, clip, "half_even").scale).toBe(scale);
  });

  it("counts a clip below 2^−100 as zero and keeps the smallest clip itself", () => {
    const below = gridOf("act", 8, SMALLEST_CLIP * (1 - 2 ** -24), "half_even");
    expect(below).toMatchObject({ isZero: true, scale: 1, lowest: 0, highest: 0 });
    expect(codeOf(5, below)).toBe(0);
    expect(codeOf(NaN, below)).toBeNaN();
    expect(gridOf("act", 8, SMALLEST_CLIP, "half_even").isZero).toBe(false);
  });

  it("spreads a NaN clip to every value", () => {
    const grid = gridOf("act", 8, NaN, "half_even");
    expect(valueOf(codeOf(1, grid), grid)).toBeNaN();
  });

  it("refuses bit widths outside 2 to 16", () => {
    expect(() => qtypeOf("act", 1)).toThrow(
      "bits of a act quantizer: expected an integer from 2 to 16, received 1.",
    );
    expect(() => gridOf("act", 8.5, 1, "half_even")).toThrow("received 8.5");
  });
});

describe("ties", () => {
  it("go to the even code in half_even and up in half_up", () => {
    const even = gridOf("softmax", 8, 1, "half_even");
    const up = gridOf("softmax", 8, 1, "half_up");
    const half = (n: number) => (n + 0.5) / 256;
    expect([0, 1, 2, 3].map((n) => codeOf(half(n), even))).toEqual([0, 2, 2, 4]);
    expect([0, 1, 2, 3].map((n) => codeOf(half(n), up))).toEqual([1, 2, 3, 4]);
  });

  it("roundHalfEven follows IEEE 754", () => {
    const rows = [-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 8388607.5, 0.49999997, 2 ** 40, Infinity];
    expect(rows.map(roundHalfEven)).toEqual([-2, -2, 0, 0, 2, 2, 8388608, 0, 2 ** 40, Infinity]);
    expect(roundHalfEven(NaN)).toBeNaN();
  });
});
