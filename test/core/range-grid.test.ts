import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { codeOf, gridOf, valueOf } from "../../src/core/affine.ts";
import { QUANT_MODES } from "../../src/core/qtype.ts";
import { approximateScale, rangeGrid, type RangeSpec } from "../../src/core/range-grid.ts";

const spec = (changes: Partial<RangeSpec> = {}): RangeSpec => ({
  ...{ kind: "act", bits: 8, mode: "symmetric", compat: "none", scaleApproxMultBits: null },
  ...changes,
});
const distiller = (mode: RangeSpec["mode"], bits = 8): RangeSpec =>
  spec({ mode, bits, compat: "distiller-2020" });

/** Distiller states 1/scale and the zero point with the other sign. */
function published(of: RangeSpec, lo: number, hi: number): { factor: number; zero: number } {
  const { scale, zeroPoint } = rangeGrid(of, { lo, hi });
  return { factor: 1 / scale, zero: 0 - zeroPoint };
}

describe("rangeGrid", () => {
  it.each([
    { of: distiller("symmetric"), lo: -4, hi: 1, factor: 31.875, zero: 0 },
    { of: distiller("symmetric_restricted"), lo: -4, hi: 1, factor: 31.75, zero: 0 },
    { of: spec({ compat: "distiller-2019" }), lo: -4, hi: 1, factor: 31.75, zero: 0 },
    { of: distiller("symmetric"), lo: 0, hi: 0, factor: 1, zero: 0 },
    { of: distiller("asymmetric_unsigned"), lo: -2, hi: 10, factor: 21.25, zero: -42 },
    { of: distiller("asymmetric_signed"), lo: -2, hi: 10, factor: 21.25, zero: 86 },
    { of: distiller("asymmetric_unsigned"), lo: 5, hi: 10, factor: 25.5, zero: 0 },
    { of: distiller("asymmetric_unsigned"), lo: -10, hi: -5, factor: 25.5, zero: -255 },
    { of: distiller("asymmetric_unsigned"), lo: 0, hi: 0, factor: 1, zero: 0 },
    { of: distiller("asymmetric_signed"), lo: 0, hi: 0, factor: 1, zero: 128 },
  ])("equals Distiller's helpers: $of.mode of $lo … $hi", ({ of, lo, hi, factor, zero }) => {
    const found = published(of, lo, hi);
    expect(found.factor / factor).toBeCloseTo(1, 6);
    expect(found.zero).toBe(zero);
  });

  // Ranges of the record min −3.5, max 14.5, average −1.025 … 8.5, mean 1, std 2, with 2 of n_std.
  it.each([
    [-3.5, 14.5, 8.793103, 0.517241, 14.166667, 78, 0.833333, 5],
    [-1.025, 8.5, 15, 0.882353, 26.771656, 101, 1.574803, 6],
    [-3, 5, 25.5, 1.5, 31.875, 32, 1.875, 2],
  ])("of %d … %d equals Distiller's from statistics", (lo, hi, ...expected) => {
    const [symmetric8, symmetric4, signed8, zero8, signed4, zero4] = expected;
    const near = (found: number, wanted: number): void => {
      expect(Math.abs(found / wanted - 1)).toBeLessThan(1e-6);
    };
    near(published(distiller("symmetric"), lo, hi).factor, symmetric8);
    near(published(distiller("symmetric", 4), lo, hi).factor, symmetric4);
    const signed = published(distiller("asymmetric_signed"), lo, hi);
    near(signed.factor, signed8);
    expect(signed.zero).toBe(zero8);
    const narrow = published(distiller("asymmetric_signed", 4), lo, hi);
    near(narrow.factor, signed4);
    expect(narrow.zero).toBe(zero4);
  });

  it("gives the most negative value of distiller-2020 the most negative code", () => {
    for (let i = 1; i < 300; i++) {
      const lo = -Math.fround(i * 0.0371);
      const grid = rangeGrid(distiller("symmetric", 4 + (i % 5)), { lo, hi: 0 });
      expect(codeOf(lo, grid)).toBe(grid.qmin);
      expect(codeOf(-lo, grid)).toBe(grid.qmax);
    }
  });

  it("reports the range in real units whatever the codes' sign", () => {
    for (const mode of ["asymmetric_signed", "asymmetric_unsigned"] as const) {
      const { lowest, highest, scale } = rangeGrid(spec({ mode }), { lo: -3.5, hi: 14.5 });
      expect(Math.abs(lowest + 3.5)).toBeLessThan(scale);
      expect(Math.abs(highest - 14.5)).toBeLessThan(scale);
    }
  });

  it("in mode symmetric is the grid of a clip", () => {
    for (const kind of ["weight", "act", "relu", "softmax"] as const) {
      const grid = rangeGrid(spec({ kind }), { lo: kind === "relu" ? 0 : -0.7, hi: 0.3 });
      const clip = kind === "relu" ? 0.3 : 0.7;
      expect(grid).toEqual({ ...gridOf(kind, 8, clip, "half_even"), zeroPoint: 0 });
    }
  });

  it("treats relu and softmax as Distiller does", () => {
    const of = (kind: RangeSpec["kind"]) =>
      rangeGrid(spec({ kind, compat: "distiller-2019" }), { lo: 0, hi: 0.991 });
    expect(of("softmax")).toEqual(of("act"));
    expect(of("relu")).toEqual(of("act"));
    expect(of("softmax").scale).toBe(Math.fround(Math.fround(0.991) / 127));
  });

  it("keeps zero exact and every value in range within a step", () => {
    const bound = fc.float({ min: -1e6, max: 1e6, noNaN: true });
    const modes = fc.constantFrom(...QUANT_MODES);
    fc.assert(
      fc.property(bound, bound, fc.integer({ min: 2, max: 16 }), modes, (a, b, bits, mode) => {
        const range = { lo: Math.min(a, b), hi: Math.max(a, b) };
        const grid = rangeGrid(spec({ bits, mode }), range);
        expect(grid.qmin).toBeLessThanOrEqual(0);
        expect(grid.qmax).toBeGreaterThanOrEqual(0);
        expect(valueOf(codeOf(0, grid), grid)).toBe(0);
        for (const x of [range.lo, range.hi, Math.fround((range.lo + range.hi) / 2)]) {
          const error = Math.abs(valueOf(codeOf(x, grid), grid) - x);
          // The rounded zero point moves the range by up to half a step, which clips its ends.
          expect(error).toBeLessThanOrEqual(grid.scale * 1.01 + 1e-30);
        }
      }),
    );
  });

  it("refuses ranges that are not finite or not ordered, and bits out of range", () => {
    expect(() => rangeGrid(spec(), { lo: 0, hi: NaN })).toThrow(
      "observed range: expected finite lo ≤ hi, received 0 to NaN.",
    );
    expect(() => rangeGrid(spec(), { lo: 1, hi: 0 })).toThrow("received 1 to 0");
    expect(() => rangeGrid(spec({ bits: 1 }), { lo: 0, hi: 1 })).toThrow(
      "from 2 to 16, received 1",
    );
  });
});

describe("approximateScale", () => {
  it.each([
    [21.25, 170 / 2 ** 3],
    [0.0123, 201 / 2 ** 14],
    [300, 150 * 2],
    [1, 128 / 128],
    [255, 255],
  ])("of %d with 8 bits", (factor, expected) => {
    expect(approximateScale(factor, 8)).toBe(expected);
  });

  it("gives the reciprocal of the scale, and leaves the zero point", () => {
    const range = { lo: -2, hi: 9.9 };
    const of = (scaleApproxMultBits: number | null) =>
      rangeGrid(spec({ mode: "asymmetric_unsigned", scaleApproxMultBits }), range);
    expect(of(8).scale).toBe(Math.fround(1 / (171 / 8)));
    expect(of(8).zeroPoint).toBe(of(null).zeroPoint);
    expect(of(4).scale).not.toBe(of(null).scale);
  });
});
