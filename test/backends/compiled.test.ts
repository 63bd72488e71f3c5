/** The compiled kernels give the bits of the loops of `core/`, whatever sizes and values they get. */
import * as tf from "@tensorflow/tfjs";
import { beforeAll, describe, expect, it } from "vitest";
import { selectBackend } from "../../src/backends/select.ts";
import { floatProduct } from "../../src/core/float-product.ts";
import { SIMD_KERNELS } from "../../src/backends/wasm/simd-kernels.ts";
import { KERNEL_NAMES, type KernelAttributes, type KernelName } from "../../src/ops/kernel.ts";
import {
  bitsOf,
  bitsOn,
  expectSame,
  floats,
  integers,
  type Input,
  type Inputs,
} from "../helpers/kernel-bits.ts";

const ROWS = [0, 1, 2, 5, 13];
const WIDTHS = [1, 2, 3, 4, 5, 8, 11, 31, 33];
const SIZES = ROWS.flatMap((rows) => WIDTHS.map((width) => [rows, width] as const));

beforeAll(async () => {
  await selectBackend("cpu");
  const { execution } = await selectBackend("wasm");
  expect(execution).toBe("compiled");
});

it("exist for every operation", () => {
  expect(KERNEL_NAMES.filter((name) => SIMD_KERNELS[name] === undefined)).toEqual([]);
});

describe.each([false, true])("compiled kernels, special values: %s", (special) => {
  it("layer norm and its gradient", () => {
    for (const [rows, width] of SIZES) {
      const x = floats([rows, width], 1, special);
      const dy = floats([rows, width], 2, special);
      const [gamma, beta] = [floats([width], 3, special), floats([width], 4, special)];
      expectSame("QatLayerNorm", { x, gamma, beta }, { epsilon: 1e-6 });
      expectSame("QatLayerNormGrad", { dy, x, gamma }, { epsilon: 1e-6 });
    }
  });

  it("softmax of attention and its gradient", () => {
    for (const [queries, keys] of SIZES) {
      const shape = [2, 3, queries, keys];
      const scores = floats(shape, 1, special, 3);
      const keyLengths = { shape: [2], values: Int32Array.of(Math.ceil(keys / 2), 0) };
      for (const causal of [false, true]) {
        expectSame("QatAttentionSoftmax", { scores }, { causal });
        expectSame("QatAttentionSoftmax", { scores, keyLengths }, { causal });
      }
      const [dp, p] = [floats(shape, 2, special), floats(shape, 3, special)];
      expectSame("QatAttentionSoftmaxGrad", { dp, p });
    }
  });

  it("log-softmax and cross-entropy with its gradient", () => {
    for (const [rows, classes] of SIZES) {
      const logits = floats([rows, classes], 1, special, 5);
      const targets = integers([rows], classes, 2);
      expectSame("QatLogSoftmax", { logits });
      for (const smoothing of [0, 0.1]) {
        const attributes = { smoothing, perfect: 0.25 };
        expectSame("QatCrossEntropy", { logits, targets }, attributes);
        const [p, dloss] = [floats([rows, classes], 3, special), floats([rows], 4, special)];
        expectSame("QatCrossEntropyGrad", { dloss, p, targets }, { smoothing });
      }
    }
  });

  const kinds = ["weight", "act", "relu", "softmax"] as const;
  const settings = kinds.flatMap((kind) =>
    (["half_even", "half_up"] as const).map((rounding) => ({ kind, rounding })),
  );

  it.each(settings)("fake quantization: $kind, $rounding", ({ kind, rounding }) => {
    for (const [rows, width] of SIZES) {
      const x = floats([rows, width], 1, special);
      const dy = floats([rows, width], 2, special);
      for (const axis of [-1, 0, 1]) {
        const channels = axis < 0 ? [] : [[rows, width][axis]!];
        const clip = floats(channels, 3, false, 0.5);
        // Clips at zero, below it and, with special values, not a number, are among them.
        clip.values.forEach((c, i) => (clip.values[i] = i % 3 === 1 ? 0 : Math.abs(c)));
        if (special && channels.length > 0 && clip.values.length > 2) clip.values[2] = NaN;
        const inputs = kind === "softmax" ? { x } : { x, clip };
        for (const compat of ["none", "neurst"]) {
          const attributes = { kind, bits: 5, axis, rounding, compat };
          expectSame("QatFakeQuant", inputs, attributes);
          expectSame("QatFakeQuantCodes", inputs, attributes);
          expectSame("QatFakeQuantGrad", { dy, ...inputs }, attributes);
        }
      }
    }
  });

  it("dropout, Adam, sums and the look-up of rows", () => {
    for (const [rows, width] of SIZES) {
      const x = floats([rows, width], 1, special);
      const seed = { shape: [], values: Int32Array.of(-77) };
      for (const rate of [0.1, 0.999]) expectSame("QatDropout", { x, seed }, { rate });
      const [m, gradient] = [floats([rows, width], 2, special), floats([rows, width], 3, special)];
      const v = floats([rows, width], 4, false);
      v.values.forEach((value, i) => (v.values[i] = value * value));
      const rate = { shape: [], values: Float32Array.of(0.01) };
      const adam = { beta1: 0.9, beta2: 0.98, epsilon: 1e-9 };
      expectSame("QatAdam", { value: x, gradient, m, v, rate }, adam);
      expectSame("QatColumnSum", { x });
      expectSame("QatSquareSum", { x });
      const ids = integers([7], Math.max(rows, 1), 5);
      const numbers = integers([rows], 3, 6);
      if (rows > 0) expectSame("QatEmbeddingLookup", { table: x, ids });
      const segments = { x, segmentIds: numbers };
      expectSame("QatSegmentSum", segments, { numSegments: 3 });
      // On cpu TensorFlow.js has a segment sum of its own, in another order.
      expect(bitsOn("wasm", "UnsortedSegmentSum", segments, { numSegments: 3 })).toEqual(
        bitsOn("wasm", "QatSegmentSum", segments, { numSegments: 3 }),
      );
    }
  });

  it("heads", () => {
    for (const [time, depth] of SIZES) {
      const x = floats([2, time, 6 * depth], 1, special);
      expectSame("QatSplitHeads", { x }, { parts: 3, heads: 2 });
      const part0 = floats([2, 3, time, depth], 1, special);
      const part1 = floats([2, 3, time, depth], 2, special);
      expectSame("QatJoinHeads", { part0 });
      expectSame("QatJoinHeads", { part0, part1 });
    }
  });
});

it("the exponential of many values", () => {
  const scores = floats([1, 1, 1, 400_000], 1, false);
  scores.values.forEach((v, i) => (scores.values[i] = -45 + 15 * v));
  expectSame("QatAttentionSoftmax", { scores }, { causal: false });
});

it("ranges of samples and histograms", () => {
  for (const [rows, width] of SIZES) {
    const x = floats([rows, width], 1, false, 2);
    const mask = { shape: [rows], values: Float32Array.from({ length: rows }, (_, i) => i % 3) };
    for (const inputs of [{ x }, { x, mask }]) {
      expectSame("QatSampleRanges", inputs, { samples: 1 });
      if (rows > 0) expectSame("QatSampleRanges", inputs, { samples: rows });
      for (const cell of [0, 2 ** -3, 2 ** -100]) {
        expectSame("QatValueHistogram", inputs, { cells: 18, width: cell, center: 0.3 });
      }
    }
  }
});

const PRODUCT_SIZES = [
  [1, 1, 1],
  [0, 3, 2],
  [3, 0, 2],
  [3, 2, 0],
  [5, 8, 16],
  [7, 9, 5],
  [6, 257, 17],
  [123, 300, 9],
  [11, 5, 521],
] as const;

describe("products", () => {
  it.each([false, true])("float32 in the order of the common axis, special: %s", (special) => {
    for (const [m, k, n] of PRODUCT_SIZES) {
      for (const transposeA of [false, true]) {
        for (const transposeB of [false, true]) {
          const a = floats(transposeA ? [k, m] : [m, k], 1, special);
          const b = floats(transposeB ? [n, k] : [k, n], 2, special);
          const spec = { m, k, n, transposeA, transposeB };
          const expected = floatProduct(a.values as Float32Array, b.values as Float32Array, spec);
          const bits = bitsOn("wasm", "BatchMatMul" as KernelName, batched({ a, b }), {
            transposeA,
            transposeB,
          });
          expect(bits).toEqual([bitsOf(expected)]);
        }
      }
    }
  });

  it.each([false, true])("with a bias, special: %s", (special) => {
    for (const [m, k, n] of PRODUCT_SIZES) {
      const [x, bias] = [floats([m, k], 1, special), floats([n], 3, special)];
      const kernel = floats([k, n], 2, special);
      expectSame("QatLinear", { x, kernel, bias }, { transposeB: false });
      expectSame(
        "QatLinear",
        { x, kernel: { ...kernel, shape: [n, k] }, bias },
        { transposeB: true },
      );
    }
  });

  it.each([false, true])("by fused multiply-add, special: %s", (special) => {
    for (const [m, k, n] of PRODUCT_SIZES) {
      const [a, b] = [floats([2, m, k], 1, special), floats([2, k, n], 2, special)];
      expectSame("QatFusedProduct", { a, b });
    }
  });

  it("of codes, packed and not, with and without bias", () => {
    for (const [m, k, n] of PRODUCT_SIZES) {
      for (const [maxAbsA, low] of [
        [128, -128],
        [255, 0],
      ] as const) {
        const codes = (shape: number[], least: number, most: number, seed: number): Input => ({
          shape,
          values: Float32Array.from(
            integers(shape, most - least + 1, seed).values,
            (v) => v + least,
          ),
        });
        for (const transposeB of [false, true]) {
          const a = codes([2, m, k], low, low === 0 ? 255 : 127, 1);
          const b = codes(transposeB ? [2, n, k] : [2, k, n], -128, 127, 2);
          const scaleA = floats([], 3, false);
          const bias = floats([n], 5, false);
          const attributes = { transposeB, maxAbsA, maxAbsB: 128 };
          for (const scaleB of [floats([], 4, false), floats([n], 4, false)]) {
            expectSame("QatCodeProduct", { a, b, scaleA, scaleB }, attributes);
            expectSame("QatCodeProduct", { a, b, scaleA, scaleB, bias }, attributes);
          }
          const one = { a: codes([m, k], low, 127, 6), b: codes(b.shape.slice(1), -128, 127, 7) };
          const expected = bitsOn(
            "cpu",
            "QatCodeProduct",
            { ...one, scaleA, scaleB: scaleA },
            attributes,
          );
          expect(packedOnWasm(one, scaleA, attributes)).toEqual(expected[0]);
        }
      }
    }
  });
});

function batched(inputs: { a: Input; b: Input }): Inputs {
  const batch = ({ shape, values }: Input): Input => ({ shape: [1, ...shape], values });
  return { a: batch(inputs.a), b: batch(inputs.b) };
}

function packedOnWasm(
  { a, b }: { a: Input; b: Input },
  scale: Input,
  attributes: KernelAttributes,
): number[] {
  void tf.setBackend("wasm");
  return tf.tidy(() => {
    const run = (name: string, inputs: Record<string, tf.Tensor>): tf.Tensor =>
      tf.engine().runKernel<tf.Tensor>(name, inputs, attributes);
    const codes = tf.tensor(b.values, b.shape);
    const scaleA = tf.tensor(scale.values, scale.shape);
    const packedB = run("QatPackCodes", { codes });
    const left = tf.tensor(a.values, a.shape);
    return bitsOf(
      run("QatCodeProduct", { a: left, b: codes, scaleA, scaleB: scaleA, packedB }).dataSync(),
    );
  });
}

describe.each(["cpu", "wasm"] as const)("NaN among codes on %s", (backend) => {
  it.each([0, 1, 4, 6])("at %s is an error that leaves nothing behind", (at) => {
    void tf.setBackend(backend);
    const codes = new Float32Array(7).fill(1);
    codes[at] = NaN;
    const [row, column] = [tf.tensor2d(codes, [1, 7]), tf.tensor2d(codes, [7, 1])];
    const [good, scale] = [tf.ones([7, 1]), tf.scalar(1)];
    const engine = tf.backend() as unknown as { numDataIds(): number };
    const before = engine.numDataIds();
    const attributes = { transposeB: false, maxAbsA: 128, maxAbsB: 128 };
    const run = (name: string, inputs: Record<string, tf.Tensor>) => () =>
      tf.engine().runKernel(name, inputs, attributes);
    const scales = { scaleA: scale, scaleB: scale };
    const expected = /expected finite values, received NaN.*inspect the checkpoint/;
    expect(run("QatCodeProduct", { a: row, b: good, ...scales })).toThrow(expected);
    const ones = tf.ones([1, 7]);
    expect(run("QatCodeProduct", { a: ones, b: column, ...scales })).toThrow(expected);
    expect(run("QatPackCodes", { codes: column })).toThrow(expected);
    ones.dispose();
    expect(engine.numDataIds()).toBe(before);
    tf.dispose([row, column, good, scale]);
  });
});

describe("ids outside of a table", () => {
  it.each([-1, 3])("%s is an error that leaves nothing behind", (id) => {
    void tf.setBackend("wasm");
    const x = tf.ones([2, 4]);
    const ids = tf.tensor1d([0, id], "int32");
    const backend = tf.backend() as unknown as { numDataIds(): number };
    const before = backend.numDataIds();
    const run =
      (name: string, inputs: Record<string, tf.Tensor>, attributes = {}) =>
      () =>
        tf.engine().runKernel(name, inputs, attributes);
    expect(run("QatEmbeddingLookup", { table: x, ids })).toThrow(/expected numbers from 0 to 1/);
    const attributes = { numSegments: 3 };
    expect(run("QatSegmentSum", { x, segmentIds: ids }, attributes)).toThrow(/from 0 to 2/);
    expect(backend.numDataIds()).toBe(before);
    tf.dispose([x, ids]);
  });
});
