import * as tf from "@tensorflow/tfjs";
import { describe, expect, it } from "vitest";
import { HISTOGRAM_CELLS } from "../../src/core/histogram.ts";
import type { Positions } from "../../src/quant/pass.ts";
import { RunningStatistics } from "../../src/quant/running-statistics.ts";
import { TensorWatch } from "../../src/quant/tensor-watch.ts";
import { describeVariants, expectFlatMemory } from "../helpers/backend-variants.ts";
import { normals } from "../helpers/numeric.ts";

function seen(
  tensors: readonly tf.Tensor[],
  positions: Positions | null = null,
): RunningStatistics {
  const statistics = new RunningStatistics();
  const watch = new TensorWatch();
  for (const x of tensors) watch.see(x, positions, statistics, "x");
  watch.flush();
  return statistics;
}

describeVariants("statistics of tensors", ({ sums }) => {
  const digits = sums === "exact" ? 9 : 4;

  it("weigh samples alike, in whatever batch they come", () => {
    // Ten batches of four samples whose largest values are 1 in the first batch and 9 in the others:
    // their mean is (4·1 + 36·9)/40 = 8.2, where weighing samples against elements gives 1.2226.
    const batches = Array.from({ length: 10 }, (_, i) =>
      tf.mul(tf.ones([4, 100]), i === 0 ? 1 : 9),
    );
    const own = [...batches, tf.fill([1, 100], 9)];
    expect(seen(batches).statistics()!.avgMax).toBeCloseTo(8.2, 9);
    expect(seen(own).statistics()!.avgMax).toBeCloseTo((4 + 37 * 9) / 41, 9);
  });

  it("are those of all values together, whatever their scale", () => {
    const parts = [normals(600, 1), normals(900, 2, 1e-3), normals(300, 3, 50)];
    const shapes = [[20, 30], [9, 10, 10], [300]];
    const all = parts.flatMap((part) => [...part]);
    const own = seen(parts.map((part, i) => tf.tensor(part, shapes[i]))).statistics()!;
    const mean = all.reduce((a, b) => a + b, 0) / all.length;
    const variance = all.reduce((sum, v) => sum + (v - mean) ** 2, 0) / all.length;
    expect([own.min, own.max]).toEqual([Math.min(...all), Math.max(...all)]);
    expect(own.mean).toBeCloseTo(mean, digits);
    expect(own.std! / Math.sqrt(variance)).toBeCloseTo(1, Math.min(digits, 6));
    expect(own).toMatchObject({ shape: "(20, 30)", totalNumel: 1800 });
    const { width, counts } = own.histogram!;
    expect(counts.length).toBe(HISTOGRAM_CELLS);
    const cells = new Float64Array(counts.length);
    for (const v of all) cells[Math.floor(v / width) + counts.length / 2]!++;
    expect(counts).toEqual(cells);
    expect(Number.isInteger(Math.log2(width))).toBe(true);
    // b is good to half a cell.
    const b = all.reduce((sum, v) => sum + Math.abs(v - mean), 0) / all.length;
    expect(Math.abs(own.b! - b)).toBeLessThan(width / 2);
    // A tensor of single values is one sample.
    const samples = [20, 9, 1];
    const ends = [
      ...[0, 1].flatMap((i) =>
        Array.from({ length: samples[i]! }, (_, s) => {
          const size = parts[i]!.length / samples[i]!;
          return Math.min(...parts[i]!.subarray(s * size, (s + 1) * size));
        }),
      ),
      Math.min(...parts[2]!),
    ];
    expect(own.avgMin).toBeCloseTo(ends.reduce((x, y) => x + y, 0) / 30, digits);
  });

  it("of one constant have no deviation, not NaN", () => {
    const value = Math.fround(1.2628638744354248);
    const { std, b, mean } = seen([tf.tensor1d([value]), tf.fill([3, 77], value)]).statistics()!;
    expect({ std, b, mean }).toEqual({ std: 0, b: 0, mean: value });
    expect(seen([tf.zeros([2, 3])]).statistics()).toMatchObject({ std: 0, max: 0 });
    expect(new RunningStatistics().statistics()).toBeNull();
  });

  it("read a tensor once for all who see it, and leave nothing behind", () => {
    const x = tf.tensor2d(normals(60, 4), [6, 10]);
    const first = new RunningStatistics();
    const second = new RunningStatistics();
    expectFlatMemory(() => {
      const watch = new TensorWatch();
      watch.see(x, null, first, "first");
      watch.see(
        tf.tidy(() => x),
        null,
        second,
        "second",
      );
      watch.flush();
    });
    expect(second.statistics()).toEqual(first.statistics());
    expect(second.count).toBe(120);
  });

  it.each([NaN, Infinity, -Infinity])("refuse %s by name, and leave nothing behind", (bad) => {
    const x = tf.tensor1d([1, bad, 2]);
    expectFlatMemory(() => {
      const watch = new TensorWatch();
      expect(() => {
        watch.see(x, null, new RunningStatistics(), "encoder/output_ln");
        watch.flush();
      }).toThrow(/encoder\/output_ln.*expected finite values, received (NaN|-?Infinity)/);
      watch.discard();
    });
  });
});

describe("positions", () => {
  const x = tf.tensor3d(normals(24, 5), [2, 3, 4]);
  const of = (mask: tf.Tensor, sampleAxes: number): RunningStatistics =>
    seen([x], { mask, sampleAxes });

  it("tell padding and samples, by the first axes or by rows", () => {
    const mask = tf.tensor2d([1, 1, 0, 1, 0, 0], [2, 3]);
    const values = x.arraySync();
    const real = [values[0]![0]!, values[0]![1]!, values[1]![0]!];
    const rows = of(mask, 2).statistics()!;
    expect(rows.totalNumel).toBe(12);
    expect(rows.max).toBe(Math.max(...real.flat()));
    const mean = (all: number[]): number => all.reduce((a, b) => a + b, 0) / all.length;
    expect(rows.avgMax).toBeCloseTo(mean(real.map((row) => Math.max(...row))), 6);
    const sentences = [real.slice(0, 2).flat(), real[2]!];
    expect(of(mask, 1).statistics()!.avgMax).toBeCloseTo(
      mean(sentences.map((row) => Math.max(...row))),
      6,
    );
    const flat = seen([tf.reshape(x, [6, 4])], { mask, sampleAxes: 2 }).statistics()!;
    expect({ ...flat, shape: "" }).toEqual({ ...rows, shape: "" });
  });

  it("of size 1 stand for every one, and a single row for many is real if one of them is", () => {
    expect(of(tf.ones([1, 1]), 2).statistics()!.totalNumel).toBe(24);
    const some = seen([tf.ones([2, 1, 4])], {
      mask: tf.tensor2d([0, 1, 0, 0, 0, 0], [2, 3]),
      sampleAxes: 1,
    });
    expect(some.count).toBe(4);
    expect(of(tf.zeros([2, 1]), 1).statistics()).toBeNull();
  });

  it("that do not fit are an error", () => {
    expect(() => of(tf.ones([2, 5]), 1)).toThrow(
      /x: expected a tensor that positions \[2, 5\] fit/,
    );
  });
});

describe("state", () => {
  it("goes on as if nothing had been between", () => {
    const tensors = [normals(50, 1), normals(50, 2, 300)].map((v) => tf.tensor2d(v, [5, 10]));
    const whole = seen(tensors);
    const resumed = RunningStatistics.from(seen(tensors.slice(0, 1)).state());
    const watch = new TensorWatch();
    watch.see(tensors[1]!, null, resumed, "x");
    watch.flush();
    expect(resumed.state()).toEqual(whole.state());
  });
});
