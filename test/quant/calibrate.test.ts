import { describe, expect, it } from "vitest";
import { MagnitudeHistogram } from "../../src/quant/observers.ts";

const ACT8 = { kind: "act", bits: 8, rounding: "half_even" } as const;

describe("MagnitudeHistogram", () => {
  it("keeps the largest magnitude, whatever the order and the growth of the range", () => {
    const histogram = new MagnitudeHistogram();
    for (const v of [0, 0.001, -3, 2, 1e4, -0.5]) {
      histogram.add(Float32Array.of(v), "act", "x");
    }
    expect(histogram.clip("max", ACT8)).toBe(1e4);
  });

  it("does not count what a relu tensor cannot hold", () => {
    const histogram = new MagnitudeHistogram();
    histogram.add(Float32Array.of(-8, 2), "relu", "x");
    expect(histogram.largest).toBe(2);
  });

  it("cuts outliers off by percentile, and by squared error where that pays", () => {
    const histogram = new MagnitudeHistogram();
    const values = Float32Array.from({ length: 100_000 }, (_, i) => Math.sin(i));
    values[0] = 16;
    histogram.add(values, "act", "x");
    expect(histogram.clip("percentile", ACT8)).toBeCloseTo(1, 1);
    // At 8 bits the wide grid's error, 1e5·(16/127)²/12, exceeds the one outlier's (16 − c)².
    const best = histogram.clip("mse", ACT8);
    expect(best).toBeLessThan(16);
    const error = (clip: number): number =>
      values.reduce((sum, v) => {
        const scale = clip / 127;
        const code = Math.max(-128, Math.min(127, Math.round(v / scale)));
        return sum + (code * scale - v) ** 2;
      }, 0);
    for (const other of [best * 0.8, best * 1.25, 16]) {
      expect(error(best)).toBeLessThan(error(other) * 1.02);
    }
  });

  it("gives 0 for a tensor of zeros", () => {
    const histogram = new MagnitudeHistogram();
    histogram.add(new Float32Array(4), "act", "x");
    expect(histogram.clip("mse", ACT8)).toBe(0);
  });

  it.each([NaN, Infinity, -Infinity])("refuses %s", (bad) => {
    const histogram = new MagnitudeHistogram();
    expect(() => {
      histogram.add(Float32Array.of(1, bad), "act", "encoder/output_ln");
    }).toThrow(/encoder\/output_ln.*expected finite/);
  });
});
