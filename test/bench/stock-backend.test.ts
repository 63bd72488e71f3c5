import * as tf from "@tensorflow/tfjs";
import "@tensorflow/tfjs-backend-wasm";
import { beforeAll, expect, it } from "vitest";
import { StockTrainer } from "../../bench/stock-trainer.ts";
import { registerSegmentSum, StockTransformer } from "../../bench/stock-transformer.ts";

// In this file our kernels are never registered: the backend is as published.
beforeAll(async () => {
  await tf.setBackend("wasm");
  registerSegmentSum();
});

it("the added segment sum gives the gradient of a lookup", () => {
  const table = tf.randomNormal([7, 3], 0, 1, "float32", 1);
  const ids = tf.tensor1d([5, 0, 5, 6, 1, 5], "int32");
  const dy = tf.randomNormal([6, 3], 0, 1, "float32", 2);
  const gradient = tf.grad((x: tf.Tensor) => tf.gather(x, ids))(table, dy);
  const expected = tf.matMul(tf.cast(tf.oneHot(ids, 7), "float32"), dy, true);
  expect(tf.max(tf.abs(tf.sub(gradient, expected))).dataSync()[0]).toBeLessThan(1e-6);
});

it("the plain TensorFlow.js program learns, with dropout", async () => {
  const size = { vocabulary: 20, width: 8, filter: 16, heads: 2, dropout: 0.1 };
  const model = new StockTransformer({ ...size, encoderLayers: 1, decoderLayers: 1 });
  const trainer = new StockTrainer(model, { labelSmoothing: 0.1, clipNorm: null });
  const target = Array.from({ length: 12 }, (_, i) => (i % 4 === 3 ? 19 : i));
  const batch = {
    ...{ size: 3, sourceTime: 4, targetTime: 4, source: target, target },
    ...{ sourceLengths: [4, 4, 4], targetLengths: [4, 4, 4] },
    targetInput: target.map((_, i) => (i % 4 === 0 ? 18 : target[i - 1]!)),
  };
  // Without dropout: its masks are not seeded.
  const loss = (): number => tf.tidy(() => model.loss(batch, 0.1, false).dataSync()[0]!);
  const before = loss();
  for (let i = 0; i < 40; i++) await trainer.step(batch);
  expect(loss()).toBeLessThan(before - 0.02);
});
