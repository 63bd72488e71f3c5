import * as tf from "@tensorflow/tfjs";
import { expect, it } from "vitest";
import { chooseClip } from "../../src/quant/observers.ts";
import { RunningStatistics } from "../../src/quant/running-statistics.ts";
import { TensorWatch } from "../../src/quant/tensor-watch.ts";
import { describeVariants } from "../helpers/backend-variants.ts";

const ACT8 = { kind: "act", bits: 8, rounding: "half_even" } as const;

function add(seen: RunningStatistics, values: ArrayLike<number>): void {
  const watch = new TensorWatch();
  tf.tidy(() => {
    watch.see(tf.tensor1d(Float32Array.from(values)), null, seen, "x");
  });
  watch.flush();
}

describeVariants("chooseClip", () => {
  it("keeps the largest magnitude, whatever the order and the growth of the range", () => {
    const seen = new RunningStatistics();
    for (const v of [0, 0.001, -3, 2, 1e4, -0.5]) {
      add(seen, [v]);
    }
    expect(chooseClip(seen, "max", ACT8)).toBe(1e4);
  });

  it("does not count what a relu tensor cannot hold", () => {
    const seen = new RunningStatistics();
    add(seen, [-8, 2]);
    for (const method of ["max", "percentile"] as const) {
      expect(chooseClip(seen, method, { ...ACT8, kind: "relu" })).toBe(2);
      expect(chooseClip(seen, method, ACT8)).toBe(8);
    }
  });

  it("cuts outliers off by percentile, and by squared error where that pays", () => {
    const seen = new RunningStatistics();
    const values = Float32Array.from({ length: 100_000 }, (_, i) => Math.sin(i));
    values[0] = 16;
    add(seen, values);
    expect(chooseClip(seen, "percentile", ACT8)).toBeCloseTo(1, 1);
    // At 8 bits the wide grid's error, 1e5·(16/127)²/12, exceeds the one outlier's (16 − c)².
    const best = chooseClip(seen, "mse", ACT8);
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
    const seen = new RunningStatistics();
    add(seen, [0, 0, 0, 0]);
    expect(chooseClip(seen, "mse", ACT8)).toBe(0);
  });
});
