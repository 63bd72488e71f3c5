import * as tf from "@tensorflow/tfjs";
import { expect, it } from "vitest";
import { integerProduct, scaleAccumulator } from "../../src/core/integer-product.ts";
import { RandomStream } from "../../src/core/random.ts";
import { codeProduct } from "../../src/ops/code-product.ts";
import { embeddingLookup, segmentSum } from "../../src/ops/embedding-lookup.ts";
import { columnSum, linear } from "../../src/ops/linear.ts";
import { describeVariants, expectFlatMemory } from "../helpers/backend-variants.ts";
import {
  expectClose,
  finiteDifferences,
  gradientsOf,
  normals,
  normalTensor,
} from "../helpers/numeric.ts";

describeVariants("linear", ({ mode }) => {
  it("is x·kernel + bias with the gradients of its parts", () => {
    const x = normalTensor<tf.Rank.R2>([5, 3], 1);
    const kernel = normalTensor<tf.Rank.R2>([3, 7], 2);
    const bias = normalTensor<tf.Rank.R1>([7], 3);
    const weights = normalTensor([5, 7], 4);
    const plain = (a: tf.Tensor, k: tf.Tensor, b: tf.Tensor): tf.Tensor =>
      tf.add(tf.matMul(a, k), b);
    expectClose(linear(x, kernel, bias).dataSync(), plain(x, kernel, bias).dataSync(), 1e-6);
    expect([...linear(x, kernel, null).dataSync()]).toEqual([...tf.matMul(x, kernel).dataSync()]);
    const loss = (y: tf.Tensor): tf.Tensor => tf.sum(tf.mul(y, weights));
    const own = gradientsOf(
      (a, k, b) => loss(linear(a as tf.Tensor2D, k as tf.Tensor2D, b as tf.Tensor1D)),
      [x, kernel, bias],
    );
    const expected = gradientsOf((a, k, b) => loss(plain(a, k, b)), [x, kernel, bias]);
    own.forEach((gradient, i) => {
      expectClose(gradient, expected[i]!, 1e-5);
    });
    const turned = tf.transpose(kernel);
    expectClose(linear(x, turned, bias, true).dataSync(), plain(x, kernel, bias).dataSync(), 1e-6);
    const ownTurned = gradientsOf(
      (a, k, b) => loss(linear(a as tf.Tensor2D, k as tf.Tensor2D, b as tf.Tensor1D, true)),
      [x, turned, bias],
    );
    expectClose(ownTurned[0]!, expected[0]!, 1e-5);
    const dturned = tf.transpose(tf.tensor2d(expected[1]!, [3, 7])).dataSync();
    expectClose(ownTurned[1]!, dturned, 1e-5);
    expectClose(ownTurned[2]!, expected[2]!, 1e-5);
    const numeric = finiteDifferences((b) => loss(linear(x, kernel, b as tf.Tensor1D)), bias, 0.1);
    expectClose(own[2]!, numeric, 1e-3);
  });

  it("sums columns", () => {
    expect([...columnSum(tf.tensor2d([1, 2, 3, 4, 5, 6], [3, 2])).dataSync()]).toEqual([9, 12]);
  });

  // TensorFlow.js' own sum of no rows is uninitialised memory on wasm.
  if (mode === "kernels") {
    it("sums no rows to zeros", () => {
      expect([...columnSum(tf.zeros([0, 2])).dataSync()]).toEqual([0, 0]);
    });
  }

  it("leaves nothing behind", () => {
    const bias = tf.zeros<tf.Rank.R1>([4]);
    expectFlatMemory(() => {
      tf.tidy(() => {
        tf.grads((a: tf.Tensor, b: tf.Tensor) =>
          tf.sum(linear(a as tf.Tensor2D, tf.ones([3, 4]), b as tf.Tensor1D)),
        )([tf.ones([2, 3]), bias]);
      });
    });
  });
});

describeVariants("embeddingLookup", ({ mode }) => {
  const ids = tf.tidy(() => [3, 0, 3, 2, 3, 2]);

  it("takes rows, and adds up their gradients", () => {
    const table = normalTensor<tf.Rank.R2>([5, 3], 1);
    const rows = table.arraySync();
    const idTensor = tf.tensor2d(ids, [2, 3], "int32");
    const y = embeddingLookup(table, idTensor);
    expect(y.shape).toEqual([2, 3, 3]);
    expect(y.arraySync()).toEqual([
      ids.slice(0, 3).map((i) => rows[i]),
      ids.slice(3).map((i) => rows[i]),
    ]);
    const weights = normals(18, 2);
    const expected = new Float64Array(15);
    ids.forEach((id, i) => {
      for (let j = 0; j < 3; j++) expected[id * 3 + j]! += weights[i * 3 + j]!;
    });
    const [dtable] = gradientsOf(
      (t) =>
        tf.sum(
          tf.mul(embeddingLookup(t as tf.Tensor2D, idTensor), tf.tensor3d(weights, [2, 3, 3])),
        ),
      [table],
    );
    expectClose(dtable!, expected, 1e-6);
  });

  it("gives TensorFlow.js' own gather a gradient", () => {
    const idTensor = tf.tensor1d([1, 1], "int32");
    const [dtable] = gradientsOf((t) => tf.sum(tf.gather(t, idTensor)), [tf.ones([2, 2])]);
    expect([...dtable!]).toEqual([0, 0, 2, 2]);
  });

  it("sums nothing to zeros", () => {
    const sums = segmentSum(tf.zeros([0, 3]), tf.zeros([0], "int32"), 2);
    expect(sums.arraySync()).toEqual([
      [0, 0, 0],
      [0, 0, 0],
    ]);
  });

  // Compositions leave the numbers to the backend, and not every one looks.
  if (mode === "kernels") {
    it("refuses numbers outside the table and leaves nothing behind", () => {
      const table = tf.ones<tf.Rank.R2>([2, 3]);
      const outside = tf.tensor1d([0, 2], "int32");
      expectFlatMemory(() => {
        expect(() => embeddingLookup(table, outside)).toThrow(/from 0 to 1, received 2/);
        expect(() => segmentSum(table, outside, 2)).toThrow(/from 0 to 1, received 2/);
      });
    });
  }
});

describeVariants("codeProduct", () => {
  const codes = (size: number, seed: number, low: number, high: number): Float32Array => {
    const random = new RandomStream({ seed, stream: 1 });
    return Float32Array.from({ length: size }, () => low + random.integer(high - low + 1));
  };

  it.each([
    { k: 33, low: -128, high: 127, transposeB: false, perChannel: true },
    { k: 1024, low: -128, high: 127, transposeB: true, perChannel: false },
    { k: 1025, low: -128, high: 127, transposeB: true, perChannel: true },
    { k: 2500, low: 0, high: 255, transposeB: false, perChannel: false },
    // Every code at its largest: the sum needs more than float32's 24 bits.
    { k: 2500, low: 255, high: 255, transposeB: false, perChannel: true },
  ])("is exact: %o", ({ k, low, high, transposeB, perChannel }) => {
    const [m, n] = [3, 5];
    const a = codes(m * k, 1, low, high);
    const b = codes(k * n, 2, low, high);
    const scaleA = Math.fround(0.0123);
    const scaleB = Array.from(normals(perChannel ? n : 1, 3), (v) => Math.fround(Math.abs(v)));
    const acc = integerProduct(a, b, { m, k, n, transposeB });
    const expected = scaleAccumulator(acc, n, { scaleA, scaleB });
    const y = tf.tidy(() =>
      codeProduct(tf.tensor2d(a, [m, k]), tf.tensor2d(b, transposeB ? [n, k] : [k, n]), {
        transposeB,
        maxAbsA: Math.max(high, -low),
        maxAbsB: Math.max(high, -low),
        scaleA: tf.scalar(scaleA),
        scaleB: perChannel ? tf.tensor1d(scaleB) : tf.scalar(scaleB[0]!),
      }).dataSync(),
    );
    expect([...y]).toEqual([...expected]);
  });

  it("multiplies batches, long ones in slices", () => {
    const [outer, m, k, n] = [6, 4, 700, 5];
    const a = codes(outer * m * k, 4, 0, 255);
    const b = codes(outer * k * n, 5, -128, 127);
    const expected = Array.from({ length: outer }, (_, g) => [
      ...scaleAccumulator(
        integerProduct(a.slice(g * m * k, (g + 1) * m * k), b.slice(g * k * n, (g + 1) * k * n), {
          m,
          k,
          n,
        }),
        n,
        { scaleA: 0.5, scaleB: [0.25] },
      ),
    ]).flat();
    const options = { maxAbsA: 255, maxAbsB: 128 };
    expectFlatMemory(() => {
      tf.tidy(() => {
        const y = codeProduct(tf.tensor4d(a, [2, 3, m, k]), tf.tensor4d(b, [2, 3, k, n]), {
          ...options,
          scaleA: tf.scalar(0.5),
          scaleB: tf.scalar(0.25),
        });
        expect(y.shape).toEqual([2, 3, m, n]);
        expect([...y.dataSync()]).toEqual(expected);
      });
    });
  });
});
