import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { exp32, log32 } from "../../src/core/exp.ts";
import { laneSum, laneSumOfSquares } from "../../src/core/lane-sum.ts";
import { layerNorm } from "../../src/core/layer-norm.ts";
import { logSoftmax, maskedSoftmax } from "../../src/core/softmax.ts";

const f = Math.fround;
const row = fc.array(fc.float({ min: -50, max: 50, noNaN: true }), { minLength: 1, maxLength: 23 });

/** The specified order, written again: four lanes, then (0+2) + (1+3). */
function sumByLanes(values: readonly number[]): number {
  const lanes = [0, 0, 0, 0];
  values.forEach((v, i) => (lanes[i % 4] = f(lanes[i % 4]! + v)));
  return f(f(lanes[0]! + lanes[2]!) + f(lanes[1]! + lanes[3]!));
}

describe("lane sums", () => {
  it("follow the specified order for every length", () => {
    fc.assert(
      fc.property(row, (values) => {
        const x = Float32Array.from([99, ...values, 99]);
        expect(laneSum(x, 1, values.length)).toBe(sumByLanes(values));
        const squares = values.map((v) => f(v * v));
        expect(laneSumOfSquares(x, 1, values.length)).toBe(sumByLanes(squares));
      }),
    );
  });

  it("are not changed by zeros at the end", () => {
    fc.assert(
      fc.property(row, fc.nat(9), (values, zeros) => {
        const padded = Float32Array.from([...values, ...new Array<number>(zeros).fill(0)]);
        expect(laneSum(padded, 0, padded.length)).toBe(laneSum(padded, 0, values.length));
      }),
    );
  });
});

describe("maskedSoftmax", () => {
  it("takes its steps in the specified order and stays near the real softmax", () => {
    fc.assert(
      fc.property(row, (values) => {
        const n = values.length;
        const y = maskedSoftmax(Float32Array.from(values), new Float32Array(n), 1, n, () => n);
        const max = Math.max(...values);
        const exps = values.map((v) => exp32(f(v - max)));
        const total = values.reduce((sum, v) => sum + Math.exp(v - max), 0);
        values.forEach((v, i) => {
          expect(y[i]).toBe(f(exps[i]! / sumByLanes(exps)));
          expect(Math.abs(y[i]! - Math.exp(v - max) / total)).toBeLessThan(1e-6);
        });
      }),
    );
  });

  it("does not depend on padding, on what is masked, or on other rows", () => {
    const values = [0.3, -1.2, 5, 2.25, -0.7];
    const alone = maskedSoftmax(Float32Array.from(values), new Float32Array(5), 1, 5, () => 5);
    const padded = Float32Array.from([...values, NaN, Infinity, 9, 8, 7, 6, 5, 4, 3]);
    const out = maskedSoftmax(padded, new Float32Array(14), 2, 7, Int32Array.of(5, 1));
    expect([...out]).toEqual([...alone, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
  });

  it("gives zeros where nothing is visible, works in place and keeps NaN visible", () => {
    const x = Float32Array.of(1, 2, NaN, 4);
    maskedSoftmax(x, x, 2, 2, Int32Array.of(0, 2));
    expect([...x]).toEqual([0, 0, NaN, NaN]);
  });

  it("refuses sizes that do not fit", () => {
    expect(() => maskedSoftmax(new Float32Array(3), new Float32Array(4), 2, 2, () => 2)).toThrow(
      "maskedSoftmax: expected input and output of 4 elements, received 3 and 4.",
    );
  });
});

describe("logSoftmax", () => {
  it("takes its steps in the specified order and stays near the real logarithm", () => {
    fc.assert(
      fc.property(row, (values) => {
        const n = values.length;
        const y = logSoftmax(Float32Array.from(values), new Float32Array(n), 1, n);
        const max = Math.max(...values);
        const logSum = log32(sumByLanes(values.map((v) => exp32(f(v - max)))));
        const exact = Math.log(values.reduce((sum, v) => sum + Math.exp(v - max), 0));
        values.forEach((v, i) => {
          expect(y[i]).toBe(f(f(v - max) - logSum));
          expect(Math.abs(y[i]! - (v - max - exact))).toBeLessThan(1e-5);
        });
      }),
    );
  });
});

describe("layerNorm", () => {
  const weights = (n: number) => ({
    gamma: Float32Array.from({ length: n }, (_, i) => 1 + i / 7),
    beta: Float32Array.from({ length: n }, (_, i) => i / 3 - 1),
    epsilon: 1e-6,
  });

  it("takes its steps in the specified order and stays near the real one", () => {
    fc.assert(
      fc.property(row, (values) => {
        const n = values.length;
        const { gamma, beta, epsilon } = weights(n);
        const y = layerNorm(Float32Array.from(values), new Float32Array(n), weights(n));
        const mean = f(sumByLanes(values) / n);
        const d = values.map((v) => f(v - mean));
        const variance = f(sumByLanes(d.map((v) => f(v * v))) / n);
        const deviation = f(Math.sqrt(f(variance + f(epsilon))));
        const realMean = values.reduce((a, b) => a + b, 0) / n;
        const realVariance = values.reduce((a, v) => a + (v - realMean) ** 2, 0) / n;
        values.forEach((v, i) => {
          expect(y[i]).toBe(f(f(f(d[i]! / deviation) * gamma[i]!) + beta[i]!));
          if (realVariance < 1e-3) return; // rounding of nearly equal values is amplified
          const real = ((v - realMean) / Math.sqrt(realVariance + epsilon)) * gamma[i]! + beta[i]!;
          expect(Math.abs(y[i]! - real)).toBeLessThan(1e-3);
        });
      }),
    );
  });

  it("treats rows alone and works in place", () => {
    const x = Float32Array.of(1, 2, 4, -3, 0, 9);
    const first = layerNorm(x.slice(0, 3), new Float32Array(3), weights(3));
    const second = layerNorm(x.slice(3), new Float32Array(3), weights(3));
    layerNorm(x, x, weights(3));
    expect([...x]).toEqual([...first, ...second]);
  });

  it("refuses sizes that do not fit", () => {
    expect(() => layerNorm(new Float32Array(4), new Float32Array(4), weights(3))).toThrow(
      "layerNorm: expected beta of 3 and rows of 3 units, received 3, 4 and 4 elements.",
    );
  });
});
