import * as tf from "@tensorflow/tfjs";
import { beforeAll, describe, expect, it } from "vitest";
import { selectBackend } from "../../src/backends/select.ts";
import { expectFlatMemory } from "../helpers/backend-variants.ts";
import { expectClose, normalTensor } from "../helpers/numeric.ts";

/** out[g, i, j] = Σ a[g, i, p]·b[g, p, j], in float64, from plain nested arrays. */
function plainProduct(a: tf.Tensor, b: tf.Tensor, ta: boolean, tb: boolean): number[] {
  const swap = (x: tf.Tensor, isTransposed: boolean): tf.Tensor => {
    const perm = x.shape.map((_, i) => i);
    if (isTransposed) perm.push(...perm.splice(-2, 2).reverse());
    return tf.transpose(x, perm);
  };
  const left = swap(a, ta);
  const right = swap(b, tb);
  const outer = tf
    .broadcastTo(tf.zeros([...left.shape.slice(0, -2), 1, 1]), [
      ...broadcast(left.shape.slice(0, -2), right.shape.slice(0, -2)),
      1,
      1,
    ])
    .shape.slice(0, -2);
  const [m, k] = left.shape.slice(-2) as [number, number];
  const n = right.shape.at(-1)!;
  const l = tf.broadcastTo(left, [...outer, m, k]).dataSync();
  const r = tf.broadcastTo(right, [...outer, k, n]).dataSync();
  const out: number[] = [];
  for (let g = 0; g < l.length / (m * k); g++) {
    for (let i = 0; i < m; i++) {
      for (let j = 0; j < n; j++) {
        let sum = 0;
        for (let p = 0; p < k; p++) sum += l[(g * m + i) * k + p]! * r[(g * k + p) * n + j]!;
        out.push(sum);
      }
    }
  }
  return out;
}

function broadcast(a: number[], b: number[]): number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) =>
    Math.max(a[i - rank + a.length] ?? 1, b[i - rank + b.length] ?? 1),
  );
}

const CASES = [
  { a: [], b: [], m: 1, k: 1, n: 1 },
  { a: [], b: [], m: 7, k: 33, n: 5 },
  { a: [], b: [], m: 64, k: 31, n: 129 },
  { a: [], b: [], m: 3, k: 40, n: 200 },
  { a: [3], b: [3], m: 5, k: 7, n: 3 },
  { a: [3], b: [1], m: 20, k: 32, n: 19 },
  { a: [2, 3], b: [2, 3], m: 17, k: 32, n: 33 },
  { a: [2, 1], b: [2, 3], m: 4, k: 8, n: 3 },
  { a: [1, 3], b: [2, 1], m: 33, k: 32, n: 17 },
];
const TRANSPOSES = [
  [false, false],
  [true, false],
  [false, true],
  [true, true],
] as const;

describe("products on wasm", () => {
  beforeAll(() => selectBackend("wasm"));

  it.each(CASES)("equal the definition: %o", ({ a, b, m, k, n }) => {
    for (const [ta, tb] of TRANSPOSES) {
      expectFlatMemory(() => {
        tf.tidy(() => {
          const x = normalTensor([...a, ...(ta ? [k, m] : [m, k])] as [number, number], 1);
          const y = normalTensor([...b, ...(tb ? [n, k] : [k, n])] as [number, number], 2);
          const z = tf.matMul(x, y, ta, tb);
          expect(z.shape).toEqual([...broadcast(a, b), m, n]);
          expectClose(z.dataSync(), plainProduct(x, y, ta, tb), 1e-5);
        });
      });
    }
  });

  it("do not depend on how many products run together", () => {
    // One small product runs in the compiled kernel, two of them in a loop.
    const a = normalTensor<tf.Rank.R3>([2, 3, 32], 1);
    const b = normalTensor<tf.Rank.R3>([2, 32, 5], 2);
    const together = tf.matMul(a, b).arraySync() as number[][][];
    const alone = tf.matMul(a.slice([1], [1]), b.slice([1], [1])).arraySync() as number[][][];
    expect(together[1]).toEqual(alone[0]);
    const large = tf.matMul(tf.tile(a, [1, 9, 1]), b).arraySync() as number[][][];
    expect(large[1]!.slice(0, 3)).toEqual(alone[0]);
  });

  it("give a row the same bits whatever the number of rows", () => {
    // Few rows take another way through a transposed right operand than many.
    const a = normalTensor<tf.Rank.R2>([90, 40], 1);
    const b = normalTensor<tf.Rank.R2>([200, 40], 2);
    const many = tf.matMul(a, b, false, true);
    const few = tf.matMul(a.slice([0, 0], [3, 40]), b, false, true);
    expect([...few.dataSync()]).toEqual([...many.slice([0, 0], [3, 200]).dataSync()]);
  });

  it("take empty operands", () => {
    expect([...tf.matMul(tf.zeros([2, 0]), tf.zeros([0, 3])).dataSync()]).toEqual(
      new Array(6).fill(0),
    );
    expect(tf.matMul(tf.zeros([0, 4]), tf.zeros([4, 3])).shape).toEqual([0, 3]);
    expect(tf.matMul(tf.zeros([0, 2, 4]), tf.zeros([0, 4, 3])).shape).toEqual([0, 2, 3]);
  });

  it("follow a variable that is assigned", () => {
    const weight = tf.variable(tf.ones([40, 40]));
    const x = tf.ones([2, 40]);
    expect(tf.matMul(x, weight as tf.Tensor2D).dataSync()[0]).toBe(40);
    weight.assign(tf.fill([40, 40], 2));
    expect(tf.matMul(x, weight as tf.Tensor2D).dataSync()[0]).toBe(80);
    weight.dispose();
  });
});
