import * as tf from "@tensorflow/tfjs";
import { expect, it } from "vitest";
import { sampleRanges, valueHistogram } from "../../src/ops/observe.ts";
import { describeVariants, expectFlatMemory } from "../helpers/backend-variants.ts";
import { normals } from "../helpers/numeric.ts";

describeVariants("sampleRanges", () => {
  it("are the smallest and the largest value of each sample, and the mean of all", () => {
    const x = normals(7 * 13 * 11, 1);
    const values = tf.tidy(() => [
      ...sampleRanges(tf.tensor3d(x, [7, 13, 11]), { samples: 7, mask: null }).dataSync(),
    ]);
    const samples = Array.from({ length: 7 }, (_, i) => x.subarray(i * 143, (i + 1) * 143));
    expect(values.slice(0, 7)).toEqual(samples.map((sample) => Math.min(...sample)));
    expect(values.slice(7, 14)).toEqual(samples.map((sample) => Math.max(...sample)));
    const mean = x.reduce((sum, value) => sum + value, 0) / x.length;
    expect(values[14]! + values[15]!).toBeCloseTo(mean, 6);
  });

  it("leave padding out, also where it is not finite", () => {
    // Rows of two values: the first of sample 0 and the second of sample 1 are real.
    const x = [1, 2, -3, NaN, Infinity, 9, 4, -5, 0, 8, 8, 8];
    const mask = tf.tensor1d([1, 0, 0, 1, 0, 0]);
    const ranges = sampleRanges(tf.tensor1d(x), { samples: 3, mask });
    const minima = [1, -5, Infinity];
    expect([...ranges.dataSync()]).toEqual([...minima, 2, 4, -Infinity, 0.5, 0]);
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

  it.each([false, true])("counts values in two-sided cells, with a mask: %s", (isMasked) => {
    const cells = 80;
    const x = normals(5000, 2);
    x.set([0, -0, width, -width, 3 * width, 39 * width, 40 * width, 1e30, -1e30, -40 * width]);
    const isReal = (i: number): boolean => !isMasked || Math.floor(i / 50) % 3 !== 1;
    const expected = new Int32Array(cells);
    let squares = 0;
    x.forEach((value, i) => {
      if (!isReal(i)) return;
      const cell = Math.floor(value / width) + cells / 2;
      expected[Math.min(Math.max(cell, 0), cells - 1)]!++;
      if (Math.abs(value) < 1e10) squares += (value - 0.25) ** 2;
    });
    const mask = Float32Array.from({ length: 100 }, (_, i) => Number(isReal(50 * i)));
    const given = isMasked ? tf.tensor1d(mask) : null;
    const spec = { cells, width, center: 0.25 };
    const { counts } = valueHistogram(tf.tensor1d(x), given, spec);
    expect(counts.dtype).toBe("int32");
    expect([...counts.dataSync()]).toEqual([...expected]);
    // Without what overflows.
    x.set([0.25, 0.25], 7);
    const [high, low] = valueHistogram(tf.tensor1d(x), given, spec).squares.dataSync();
    expect((high! + low!) / squares).toBeCloseTo(1, 5);
  });

  it("puts everything into the cell at 0 for width 0, and leaves nothing behind", () => {
    const x = tf.tensor2d([1, -2, 3, 0], [2, 2]);
    const spec = { cells: 4, width: 0, center: 0 };
    expect([...valueHistogram(x, null, spec).counts.dataSync()]).toEqual([0, 0, 4, 0]);
    expectFlatMemory(() => {
      tf.dispose(valueHistogram(x, null, spec));
    });
  });
});
