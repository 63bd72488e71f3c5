/** What a sentence gets does not depend on its batch: not on the other rows, not on padding. */
import * as tf from "@tensorflow/tfjs";
import { beforeAll, expect, it } from "vitest";
import { selectBackend } from "../../src/backends/select.ts";
import { makeBatch } from "../../src/data/make-batch.ts";
import { batchTensors } from "../../src/models/loss.ts";
import type { Transformer } from "../../src/models/transformer.ts";
import { withPass, type Pass } from "../../src/quant/pass.ts";
import {
  makeTinyTransformer,
  TINY_SPECIAL,
  TINY_VOCABULARY,
  tinySentences,
} from "../helpers/tiny-transformer.ts";

beforeAll(() => selectBackend("wasm"));

const targets = tinySentences(17, 8);
const examples = tinySentences(17, 5).map((source, i) => ({ source, target: targets[16 - i]! }));
const IDS = { start: TINY_SPECIAL.bos, eos: TINY_SPECIAL.eos };

/** Logits of the real positions of each sentence. */
function logitsOf(
  model: Transformer,
  indices: number[],
  products: Pass["products"],
): Float32Array[] {
  const batch = makeBatch(examples, Int32Array.from(indices), IDS);
  return tf.tidy(() => {
    const { source, sourceLengths, targetInput } = batchTensors(batch);
    const logits = withPass({ products }, (pass) =>
      model.logits(source, sourceLengths, targetInput, pass).dataSync<"float32">(),
    );
    return indices.map((_, row) => {
      const start = row * batch.targetTime * TINY_VOCABULARY;
      return logits.slice(start, start + batch.targetLengths[row]! * TINY_VOCABULARY);
    });
  });
}

it.each([
  ["float", null, "values"],
  ["quantized, products of values", {}, "values"],
  ["quantized, products of codes", {}, "codes"],
] as const)("%s", (_, quantParams, products) => {
  const model = makeTinyTransformer({}, quantParams);
  const all = examples.map((_example, i) => i);
  const alone = all.map((i) => logitsOf(model, [i], products)[0]!);
  expect(logitsOf(model, all, products)).toEqual(alone);
  const reversed = all.toReversed();
  expect(logitsOf(model, reversed, products).toReversed()).toEqual(alone);
  model.dispose();
});
