import * as tf from "@tensorflow/tfjs";
import { expect, it } from "vitest";
import { sampleRanges, valueHistogram } from "../../src/ops/observe.ts";
import { describeVariants, expectFlatMemory } from "../helpers/backend-variants.ts";
import { normals } from "../helpers/numeric.ts";

describeVariants("sampleRanges", () => {
  it("are the ends of all, the sums of the samples' ends, and the mean", () => {
    const x = normals(7 * 13 * 11, 1);
    const ranges = tf.tidy(() => [
      ...sampleRanges(tf.tensor3d(x, [7, 13, 11]), { samples: 7, mask: null }).dataSync(),
    ]);
    const samples = Array.from({ length: 7 }, (_, i) => x.subarray(i * 143, (i + 1) * 143));
    const sum = (values: Iterable<number>): number => [...values].reduce((a, b) => a + b, 0);
    expect(ranges.slice(0, 2)).toEqual([Math.min(...x), Math.max(...x)]);
    expect(ranges[2]! + ranges[3]!).toBeCloseTo(sum(samples.map((own) => Math.min(...own))), 5);
    expect(ranges[4]! + ranges[5]!).toBeCloseTo(sum(samples.map((own) => Math.max(...own))), 5);
    const mean = sum(x) / x.length;
    expect(ranges[6]! + ranges[7]!).toBeCloseTo(mean, 6);
    const squares = sum(x.map((value) => (value - mean) ** 2));
    expect((ranges[8]! + ranges[9]!) / squares).toBeCloseTo(1, 5);
  });

  it("leave padding out, also where it is not finite", () => {
    // Rows of two values: the first of sample 0 and the second of sample 1 are real.
    const x = [1, 2, -3, NaN, Infinity, 9, 4, -5, 0, 8, 8, 8];
    const mask = tf.tensor1d([1, 0, 0, 1, 0, 0]);
    const ranges = sampleRanges(tf.tensor1d(x), { samples: 3, mask });
    expect([...ranges.dataSync()]).toEqual([-5, 4, 1 - 5, 0, 2 + 4, 0, 0.5, 0, 45, 0]);
  });

  it.each([0, 1, 4, 6])("show NaN at %i, and leave nothing behind", (at) => {
    const values = [1, -2, 3, 0, 5, 6, 7];
    values[at] = NaN;
    const x = tf.tensor1d(values);
    expect([...sampleRanges(x, { samples: 1, mask: null }).dataSync()].slice(0, 2)).toEqual([
      NaN,
      NaN,
    ]);
    expectFlatMemory(() => {
      sampleRanges(x, { samples: 1, mask: null }).dispose();
    });
  });
});

describeVariants("valueHistogram", () => {
  const width = 2 ** -4;

  it.each([false, true])("counts values in cells, with a mask: %s", (isMasked) => {
    const [begin, cells] = [-30, 70];
    const x = normals(5000, 2);
    x.set([0, -0, width, -width, 3 * width, 39 * width, 40 * width, 1e30, -1e30, -30 * width]);
    const isReal = (i: number): boolean => !isMasked || Math.floor(i / 50) % 3 !== 1;
    const expected = new Int32Array(cells);
    x.forEach((value, i) => {
      if (!isReal(i)) return;
      const cell = Math.floor(value / width) - begin;
      expected[Math.min(Math.max(cell, 0), cells - 1)]!++;
    });
    const mask = Float32Array.from({ length: 100 }, (_, i) => Number(isReal(50 * i)));
    const given = isMasked ? tf.tensor1d(mask) : null;
    const counts = valueHistogram(tf.tensor1d(x), given, { width, begin, cells });
    expect(counts.dtype).toBe("int32");
    expect([...counts.dataSync()]).toEqual([...expected]);
  });

  it("puts everything into cell 0 for width 0, and leaves nothing behind", () => {
    const x = tf.tensor2d([1, -2, 3, 0], [2, 2]);
    const spec = { width: 0, begin: 0, cells: 1 };
    expect([...valueHistogram(x, null, spec).dataSync()]).toEqual([4]);
    expectFlatMemory(() => {
      valueHistogram(x, null, spec).dispose();
    });
  });
});
