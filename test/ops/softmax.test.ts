import * as tf from "@tensorflow/tfjs";
import { expect, it } from "vitest";
import { logSoftmax as referenceLogSoftmax, maskedSoftmax } from "../../src/core/softmax.ts";
import { attentionSoftmax } from "../../src/ops/attention-softmax.ts";
import { logSoftmax } from "../../src/ops/log-softmax.ts";
import { describeVariants, expectFlatMemory } from "../helpers/backend-variants.ts";
import {
  expectClose,
  finiteDifferences,
  gradientsOf,
  normals,
  normalTensor,
} from "../helpers/numeric.ts";

const CASES = [
  { queries: 5, keys: 5, lengths: null, causal: false },
  { queries: 5, keys: 5, lengths: null, causal: true },
  { queries: 3, keys: 7, lengths: [7, 2], causal: false },
  { queries: 5, keys: 5, lengths: [3, 0], causal: true },
  { queries: 1, keys: 6, lengths: [9, 4], causal: true },
  { queries: 4, keys: 2, lengths: [2, 1], causal: true },
];

describeVariants("attentionSoftmax", ({ sums }) => {
  it.each(CASES)("sees what it may see: %o", ({ queries, keys, lengths, causal }) => {
    const shape: [number, number, number, number] = [2, 3, queries, keys];
    const scores = normals(6 * queries * keys, 7, 4);
    const visible = (row: number): number => {
      const length = lengths?.[Math.floor(row / (3 * queries))] ?? keys;
      const past = causal ? (row % queries) + 1 + keys - queries : keys;
      return Math.max(0, Math.min(length, past, keys));
    };
    const expected = maskedSoftmax(
      scores,
      new Float32Array(scores.length),
      6 * queries,
      keys,
      visible,
    );
    const p = tf.tidy(() => {
      const lengthTensor = lengths === null ? null : tf.tensor1d(lengths, "int32");
      return attentionSoftmax(tf.tensor4d(scores, shape), lengthTensor, causal).dataSync();
    });
    if (sums === "exact") expect([...p]).toEqual([...expected]);
    else expectClose(p, expected, 1e-6);
    for (let row = 0; row < 6 * queries; row++) {
      const hidden = p.slice(row * keys + visible(row), (row + 1) * keys);
      expect(hidden.every((v) => v === 0)).toBe(true);
    }
  });

  it("has the gradient of finite differences and of a plain masked softmax", () => {
    const shape: [number, number, number, number] = [2, 1, 3, 4];
    const scores = normalTensor<tf.Rank.R4>(shape, 8);
    const weights = normalTensor(shape, 9);
    const lengths = tf.tensor1d([3, 4], "int32");
    const loss = (s: tf.Tensor): tf.Tensor =>
      tf.sum(tf.mul(attentionSoftmax(s as tf.Tensor4D, lengths, true), weights));
    const [own] = gradientsOf((s) => loss(s), [scores]);
    expectClose(own!, finiteDifferences(loss, scores, 1e-2), 1e-3);
    const mask = Float32Array.from({ length: 24 }, (_, i) => {
      const key = i % 4;
      const query = Math.floor(i / 4) % 3;
      return key < [3, 4][Math.floor(i / 12)]! && key <= query + 1 ? 0 : -1e9;
    });
    const plain = gradientsOf(
      (s) => tf.sum(tf.mul(tf.softmax(tf.add(s, tf.tensor4d(mask, shape))), weights)),
      [scores],
    )[0]!;
    expectClose(own!, plain, 1e-5);
  });

  it("leaves nothing behind", () => {
    const lengths = tf.tensor1d([1], "int32");
    expectFlatMemory(() => {
      tf.tidy(() => {
        tf.grad((s: tf.Tensor) => tf.sum(attentionSoftmax(s as tf.Tensor4D, lengths, true)))(
          tf.ones([1, 2, 3, 4]),
        );
      });
    });
  });
});

describeVariants("logSoftmax", ({ sums }) => {
  it("is core's log-softmax", () => {
    const logits = normals(3 * 41, 11, 5);
    const expected = referenceLogSoftmax(logits, new Float32Array(logits.length), 3, 41);
    const y = tf.tidy(() => logSoftmax(tf.tensor2d(logits, [3, 41])).dataSync());
    if (sums === "exact") expect([...y]).toEqual([...expected]);
    else expectClose(y, expected, 1e-6);
  });
});
