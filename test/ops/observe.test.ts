import * as tf from "@tensorflow/tfjs";
import { expect, it } from "vitest";
import { magnitudeHistogram, valueRange } from "../../src/ops/observe.ts";
import { describeVariants, expectFlatMemory } from "../helpers/backend-variants.ts";
import { normals } from "../helpers/numeric.ts";

describeVariants("valueRange", () => {
  it("is the smallest and the largest value", () => {
    const x = normals(1001, 1);
    const range = tf.tidy(() => valueRange(tf.tensor2d(x, [77, 13])).dataSync());
    expect([...range]).toEqual([Math.min(...x), Math.max(...x)]);
    expect([...valueRange(tf.scalar(-3)).dataSync()]).toEqual([-3, -3]);
  });

  it.each([0, 1, 4, 6])("shows NaN at %i, and leaves nothing behind", (at) => {
    const values = [1, -2, 3, 0, 5, 6, 7];
    values[at] = NaN;
    const x = tf.tensor1d(values);
    expect([...valueRange(x).dataSync()]).toEqual([NaN, NaN]);
    expectFlatMemory(() => {
      valueRange(x).dispose();
    });
  });
});

describeVariants("magnitudeHistogram", () => {
  // A power of two: quotients are exact in float32 and float64.
  const width = 2 ** -4;

  it.each([false, true])("counts magnitudes, positive: %s", (positive) => {
    const cells = 40;
    const x = normals(5000, 2);
    x.set([0, -0, width, -width, 3 * width, 39 * width, 40 * width, 1e30]);
    const expected = new Int32Array(cells);
    for (const value of x) {
      const magnitude = positive ? Math.max(value, 0) : Math.abs(value);
      expected[Math.min(Math.floor(magnitude / width), cells - 1)]!++;
    }
    const counts = tf.tidy(() => magnitudeHistogram(tf.tensor1d(x), { cells, width, positive }));
    expect(counts.dtype).toBe("int32");
    expect([...counts.dataSync()]).toEqual([...expected]);
  });

  it("puts everything into the first cell at width 0, and leaves nothing behind", () => {
    const x = tf.tensor2d([1, -2, 3, 0], [2, 2]);
    const spec = { cells: 3, width: 0, positive: false };
    expect([...magnitudeHistogram(x, spec).dataSync()]).toEqual([4, 0, 0]);
    expectFlatMemory(() => {
      magnitudeHistogram(x, spec).dispose();
    });
  });
});
