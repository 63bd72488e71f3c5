import * as tf from "@tensorflow/tfjs";
import { expect, it } from "vitest";
import { cellWidth } from "../../src/core/histogram.ts";
import { observeTensor } from "../../src/ops/observe.ts";
import { describeVariants, expectFlatMemory } from "../helpers/backend-variants.ts";
import { normals } from "../helpers/numeric.ts";

const sum = (values: Iterable<number>): number => [...values].reduce((a, b) => a + b, 0);

describeVariants("observeTensor", () => {
  it("tells the ends of all, the sums of the samples' ends, the mean and the squares", () => {
    const x = normals(7 * 13 * 11, 1);
    const { ranges } = observeTensor(tf.tensor3d(x, [7, 13, 11]), { samples: 7, mask: null }, 8);
    const seen = [...ranges.dataSync()];
    const samples = Array.from({ length: 7 }, (_, i) => x.subarray(i * 143, (i + 1) * 143));
    expect(seen.slice(0, 2)).toEqual([Math.min(...x), Math.max(...x)]);
    expect(seen[2]! + seen[3]!).toBeCloseTo(sum(samples.map((own) => Math.min(...own))), 5);
    expect(seen[4]! + seen[5]!).toBeCloseTo(sum(samples.map((own) => Math.max(...own))), 5);
    const mean = sum(x) / x.length;
    expect(seen[6]! + seen[7]!).toBeCloseTo(mean, 6);
    const squares = sum(x.map((value) => (value - mean) ** 2));
    expect((seen[8]! + seen[9]!) / squares).toBeCloseTo(1, 5);
  });

  it("leaves padding out, also where it is not finite", () => {
    // Rows of two values: the first of sample 0 and the second of sample 1 are real.
    const x = tf.tensor1d([1, 2, -3, NaN, Infinity, 9, 4, -5, 0, 8, 8, 8]);
    const mask = tf.tensor1d([1, 0, 0, 1, 0, 0]);
    const { counts, ranges } = observeTensor(x, { samples: 3, mask }, 8);
    expect([...ranges.dataSync()]).toEqual([-5, 4, 1 - 5, 0, 2 + 4, 0, 0.5, 0, 45, 0]);
    // Cells of width 2 from −8 on.
    expect([...counts.dataSync()]).toEqual([0, 1, 0, 0, 1, 1, 1, 0]);
  });

  it.each([false, true])("counts values in cells around 0, with a mask: %s", (isMasked) => {
    const cells = 64;
    const x = normals(5000, 2);
    // At both ends and around 0; the largest magnitude decides the width.
    const width = 2 ** -2;
    x.set([0, -0, width, -width, 3 * width, 31 * width, 32 * width, -32 * width]);
    const isReal = (i: number): boolean => !isMasked || Math.floor(i / 50) % 3 !== 1;
    const expected = new Int32Array(cells);
    x.forEach((value, i) => {
      if (isReal(i)) expected[Math.min(Math.floor(value / width) + cells / 2, cells - 1)]!++;
    });
    const rows = Float32Array.from({ length: 100 }, (_, i) => Number(isReal(50 * i)));
    const mask = isMasked ? tf.tensor1d(rows) : null;
    const { counts } = observeTensor(tf.tensor1d(x), { samples: 1, mask }, cells);
    expect(counts.dtype).toBe("int32");
    expect([...counts.dataSync()]).toEqual([...expected]);
  });

  it.each([1, 1.0000001, 2 ** -3, 1023, 1024, 1025, 1e-30, 3e38, 0])(
    "has the narrowest cells that reach %d",
    (largest) => {
      const cells = 16;
      const x = tf.tensor1d([0, -largest, largest / 2]);
      const { counts } = observeTensor(x, { samples: 1, mask: null }, cells);
      const [, low, half] = x.dataSync() as unknown as [number, number, number];
      const width = cellWidth(-low, cells);
      const expected = new Int32Array(cells);
      for (const value of [0, low, half]) {
        expected[(width === 0 ? 0 : Math.floor(value / width)) + cells / 2]!++;
      }
      expect([...counts.dataSync()]).toEqual([...expected]);
    },
  );

  it.each([0, 1, 4, 6])("shows NaN at %i, and leaves nothing behind", (at) => {
    const values = [1, -2, 3, 0, 5, 6, 7];
    values[at] = NaN;
    const x = tf.tensor1d(values);
    const { ranges } = observeTensor(x, { samples: 1, mask: null }, 8);
    expect([...ranges.dataSync()].slice(0, 2)).toEqual([NaN, NaN]);
    expectFlatMemory(() => {
      const { counts, ranges: own } = observeTensor(x, { samples: 1, mask: null }, 8);
      tf.dispose([counts, own]);
    });
  });
});
