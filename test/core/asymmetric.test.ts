import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  asymmetricCode,
  asymmetricGrid,
  asymmetricValue,
  quantizeAsymmetric,
} from "../../src/core/asymmetric.ts";

const bound = fc.float({ min: Math.fround(-1e6), max: Math.fround(1e6), noNaN: true });

describe("asymmetricGrid", () => {
  it.each([
    { lo: -1, hi: 3, bits: 8, signed: false, scale: Math.fround(4 / 255), zeroPoint: 64 },
    { lo: -1, hi: 3, bits: 8, signed: true, scale: Math.fround(4 / 255), zeroPoint: -64 },
    { lo: 2, hi: 3, bits: 8, signed: false, scale: Math.fround(3 / 255), zeroPoint: 0 },
    { lo: -3, hi: -2, bits: 4, signed: false, scale: Math.fround(0.2), zeroPoint: 15 },
    { lo: 0, hi: 0, bits: 8, signed: true, scale: 1, zeroPoint: -128 },
  ])("of $lo … $hi, $bits bits, signed $signed", ({ lo, hi, bits, signed, ...grid }) => {
    expect(asymmetricGrid({ lo, hi }, bits, signed)).toMatchObject(grid);
  });

  it("keeps zero exact and values within half a step", () => {
    fc.assert(
      fc.property(
        bound,
        bound,
        fc.integer({ min: 2, max: 8 }),
        fc.boolean(),
        (a, b, bits, signed) => {
          const range = { lo: Math.min(a, b), hi: Math.max(a, b) };
          const grid = asymmetricGrid(range, bits, signed);
          expect(asymmetricValue(asymmetricCode(0, grid), grid)).toBe(0);
          for (const x of [range.lo, range.hi, Math.fround((range.lo + range.hi) / 2)]) {
            const error = Math.abs(asymmetricValue(asymmetricCode(x, grid), grid) - x);
            // The rounded zero point moves the range by up to half a step, which clips its ends.
            expect(error).toBeLessThanOrEqual(grid.scale * 1.01 + 1e-30);
          }
        },
      ),
    );
  });

  it("quantizes arrays as single values", () => {
    const grid = asymmetricGrid({ lo: -1, hi: 3 }, 8, false);
    const x = Float32Array.of(-5, -1, 0, 0.5, 3, 9);
    expect([...quantizeAsymmetric(x, new Uint8Array(6), grid)]).toEqual([0, 0, 64, 96, 255, 255]);
  });

  it("refuses ranges that are not finite", () => {
    expect(() => asymmetricGrid({ lo: 0, hi: NaN }, 8, false)).toThrow(
      "observed range: expected finite lo ≤ hi, received 0 to NaN.",
    );
    expect(() => asymmetricGrid({ lo: 1, hi: 0 }, 8, false)).toThrow("received 1 to 0");
    expect(() => asymmetricGrid({ lo: 0, hi: 1 }, 1, false)).toThrow("from 2 to 16, received 1");
  });
});
