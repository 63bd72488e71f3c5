import * as tf from "@tensorflow/tfjs";
import { expect, it } from "vitest";
import { MagnitudeHistogram } from "../../src/quant/observers.ts";
import { describeVariants } from "../helpers/backend-variants.ts";

const ACT8 = { kind: "act", bits: 8, rounding: "half_even" } as const;

function add(
  histogram: MagnitudeHistogram,
  values: ArrayLike<number>,
  kind: "act" | "relu" = "act",
  where = "x",
): void {
  tf.tidy(() => {
    histogram.add(tf.tensor1d(Float32Array.from(values)), kind, where);
  });
}

describeVariants("MagnitudeHistogram", () => {
  it("keeps the largest magnitude, whatever the order and the growth of the range", () => {
    const histogram = new MagnitudeHistogram();
    for (const v of [0, 0.001, -3, 2, 1e4, -0.5]) {
      add(histogram, [v]);
    }
    expect(histogram.clip("max", ACT8)).toBe(1e4);
  });

  it("does not count what a relu tensor cannot hold", () => {
    const histogram = new MagnitudeHistogram();
    add(histogram, [-8, 2], "relu");
    expect(histogram.largest).toBe(2);
  });

  it("cuts outliers off by percentile, and by squared error where that pays", () => {
    const histogram = new MagnitudeHistogram();
    const values = Float32Array.from({ length: 100_000 }, (_, i) => Math.sin(i));
    values[0] = 16;
    add(histogram, values);
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
    add(histogram, [0, 0, 0, 0]);
    expect(histogram.clip("mse", ACT8)).toBe(0);
  });

  it.each([NaN, Infinity, -Infinity])("refuses %s", (bad) => {
    const histogram = new MagnitudeHistogram();
    expect(() => {
      add(histogram, [1, bad], "act", "encoder/output_ln");
    }).toThrow(/encoder\/output_ln.*expected finite/);
  });
});
