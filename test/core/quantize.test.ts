import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { codeOf, gridOf, valueOf, type Grid } from "../../src/core/affine.ts";
import type { Rounding } from "../../src/core/qtype.ts";
import {
  channelLayout,
  dequantizeArray,
  fakeQuantArray,
  fakeQuantGradient,
  firstNonFinite,
  maxAbs,
  quantizeArray,
} from "../../src/core/quantize.ts";

const oneOf = (rounding: Rounding, clips: readonly number[]): Grid[] =>
  clips.map((clip) => gridOf("weight", 8, clip, rounding));

describe("channelLayout", () => {
  it.each([
    { axis: null, layout: { outer: 1, channels: 1, inner: 24 } },
    { axis: 0, layout: { outer: 1, channels: 2, inner: 12 } },
    { axis: 1, layout: { outer: 2, channels: 3, inner: 4 } },
    { axis: -1, layout: { outer: 6, channels: 4, inner: 1 } },
  ])("splits [2, 3, 4] at axis $axis", ({ axis, layout }) => {
    expect(channelLayout([2, 3, 4], axis)).toEqual(layout);
  });

  it("refuses an axis that is not there", () => {
    expect(() => channelLayout([2, 3], 2)).toThrow(
      "channel axis: expected an axis of [2, 3], received 2. Use 0 to 1, or null for one scale.",
    );
  });
});

describe("whole arrays equal the arithmetic of one value", () => {
  const shapes = fc.constantFrom(...[null, 0, 1, 2].map((axis) => ({ shape: [3, 4, 5], axis })), {
    shape: [7, 3],
    axis: 1,
  });
  it("in every layout, rounding and for zero clips, in place too", () => {
    fc.assert(
      fc.property(
        shapes,
        fc.constantFrom<Rounding>("half_even", "half_up"),
        fc.array(fc.float({ min: -1, max: 4, noNaN: true }), { minLength: 5, maxLength: 5 }),
        fc.array(fc.float(), { minLength: 60, maxLength: 60 }),
        ({ shape, axis }, rounding, clips, values) => {
          const layout = channelLayout(shape, axis);
          const grids = oneOf(rounding, clips.slice(0, layout.channels));
          const size = layout.outer * layout.channels * layout.inner;
          const x = Float32Array.from(values.slice(0, size));
          const codes = quantizeArray(x, new Float32Array(size), grids, layout);
          const integers = quantizeArray(x, new Int8Array(size), grids, layout);
          const y = fakeQuantArray(Float32Array.from(x), new Float32Array(size), grids, layout);
          const inPlace = Float32Array.from(x);
          fakeQuantArray(inPlace, inPlace, grids, layout);
          const back = dequantizeArray(codes, new Float32Array(size), grids, layout);
          for (let i = 0; i < size; i++) {
            const grid = grids[Math.floor(i / layout.inner) % layout.channels]!;
            const code = codeOf(x[i]!, grid);
            expect(codes[i]).toBe(code);
            expect(integers[i]).toBe(Number.isNaN(code) ? 0 : code);
            expect(y[i]).toBe(valueOf(code, grid));
            expect(inPlace[i]).toBe(y[i]);
            expect(back[i]).toBe(y[i]);
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  it("refuses lengths and grids that do not fit", () => {
    const layout = channelLayout([2, 3], 1);
    const x = new Float32Array(6);
    expect(() => fakeQuantArray(x, x, oneOf("half_even", [1]), layout)).toThrow(
      "fakeQuantArray: expected input and output of 2·3·1 elements and 3 grids, received 6, 6 and 1.",
    );
  });
});

describe("fakeQuantGradient", () => {
  const x = Float32Array.of(-2, -0.5, 0, 0.5, 2, 3);
  const g = Float32Array.of(1, 2, 4, 8, 16, 32);
  const gradient = (grid: Grid, compat: "none" | "neurst") => {
    const dx = new Float32Array(6);
    const layout = channelLayout([6], null);
    return { dClip: fakeQuantGradient(x, g, dx, [grid], { layout, compat })[0], dx: [...dx] };
  };

  it("passes in range and collects the rest for the clip", () => {
    const { dClip, dx } = gradient(gridOf("act", 8, 1, "half_even"), "none");
    expect(dx).toEqual([0, 2, 4, 8, 0, 0]);
    expect(dClip).toBe(Math.fround(48 - 128 / 127));
    expect(gradient(gridOf("relu", 8, 1, "half_even"), "none")).toEqual({
      dClip: 48,
      dx: [0, 0, 4, 8, 0, 0],
    });
  });

  it("passes at both ends of the range, not beyond", () => {
    const grid = gridOf("act", 8, 0.7, "half_even");
    const next = Math.fround(grid.highest + 2 ** -24);
    const at = Float32Array.of(grid.lowest, grid.highest, next);
    const dx = new Float32Array(3);
    const ones = Float32Array.of(1, 1, 1);
    const layout = channelLayout([3], null);
    const dClip = fakeQuantGradient(at, ones, dx, [grid], { layout, compat: "none" });
    expect([...dx, ...dClip]).toEqual([1, 1, 0, 1]);
  });

  it("raises a clip at zero by default, and leaves it dead with neurst", () => {
    const zero = gridOf("act", 8, 0, "half_even");
    expect(gradient(zero, "none")).toEqual({
      dClip: Math.fround(56 - (128 / 127) * 3),
      dx: [0, 0, 4, 0, 0, 0],
    });
    expect(gradient(zero, "neurst")).toEqual({ dClip: 0, dx: [...g] });
  });

  it("is the finite difference of the clipped range along the clip", () => {
    const saturated = Float32Array.of(5, -5, 9, -0.25);
    const grids = [1, 1.5].map((clip) => gridOf("weight", 8, clip, "half_even"));
    const layout = channelLayout([4], null);
    const [low, high] = grids.map((grid) =>
      fakeQuantArray(saturated, new Float32Array(4), [grid], layout),
    );
    const weights = Float32Array.of(1, 3, -2, 0);
    const loss = (y: Float32Array) => y.reduce((sum, v, i) => sum + v * weights[i]!, 0);
    const dx = new Float32Array(4);
    const [dClip] = fakeQuantGradient(saturated, weights, dx, [grids[0]!], {
      layout,
      compat: "none",
    });
    expect((loss(high!) - loss(low!)) / 0.5).toBeCloseTo(dClip!, 4);
  });

  it("keeps channels apart", () => {
    const layout = channelLayout([3, 2], 1);
    const grids = [gridOf("relu", 8, 1, "half_even"), gridOf("relu", 8, 2.5, "half_even")];
    const dx = new Float32Array(6);
    const dClip = fakeQuantGradient(x, g, dx, grids, { layout, compat: "none" });
    expect([...dClip]).toEqual([16, 32]);
    expect([...dx]).toEqual([0, 0, 4, 8, 0, 0]);
  });
});

it("finds the first value that is not finite, and the largest", () => {
  expect(firstNonFinite(Float32Array.of(1, -Infinity, NaN))).toBe(1);
  expect(firstNonFinite(Float32Array.of(1, 2))).toBe(-1);
  expect(maxAbs(Float32Array.of(1, -3, 2))).toBe(3);
  expect(maxAbs(Float32Array.of(1, NaN, 2))).toBeNaN();
  expect(maxAbs([])).toBe(0);
});
