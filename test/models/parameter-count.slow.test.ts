import * as tf from "@tensorflow/tfjs";
import { beforeAll, describe, expect, it } from "vitest";
import { selectBackend } from "../../src/backends/select.ts";
import { createModel } from "../../src/models/catalogue.ts";
import { hparamsSet } from "../../src/models/hparams.ts";
import { parameterCount } from "../helpers/lohelp.ts";

beforeAll(() => selectBackend("cpu"));

/** Weights of a float model with one number of words on each side. */
function weightsOf(className: string, params: unknown, vocabulary: number): number {
  const sizes = { sourceVocabSize: vocabulary, targetVocabSize: vocabulary };
  const model = createModel(className, { ...sizes, params, quantConfig: null, seed: 1 });
  const size = parameterCount(model.variables);
  model.dispose();
  return size;
}

/** Variables of a set with fewer layers and words; every count is linear in both. */
function count(name: string, encoder: number, decoder: number, vocabulary: number): number {
  const params = hparamsSet(name)["model.params"];
  const layers = { "encoder.num_layers": encoder, "decoder.num_layers": decoder };
  return weightsOf("Transformer", { ...params, ...layers }, vocabulary);
}

describe("parameter counts with 32,000 words on each side", () => {
  // Attention is 4d² + 4d, a feed-forward layer 2df + f + d, each norm 2d; two tables, one bias.
  it.each([
    ["transformer_s", 256, 2048],
    ["transformer_base", 512, 2048],
    ["transformer_big", 1024, 4096],
  ])("%s", (name, d, f) => {
    const small = count(name, 1, 1, 10);
    const encoderLayer = count(name, 2, 1, 10) - small;
    const decoderLayer = count(name, 1, 2, 10) - small;
    const word = count(name, 1, 1, 11) - small;
    const total = small + 5 * (encoderLayer + decoderLayer) + (32_000 - 10) * word;
    const layers = 6 * (3 * (4 * d * d + 4 * d + 2 * d) + 2 * (2 * d * f + f + d + 2 * d));
    expect(total).toBe(layers + 2 * 2 * d + 2 * 32_000 * d + 32_000);
    expect(tf.memory().numTensors).toBe(0);
  });
});

/** Variables of a GNMT of that width, layers and words. */
function gnmtCount(width: number, layers: number, vocabulary: number): number {
  return weightsOf("GNMT", { hidden_size: width, num_layers: layers }, vocabulary);
}

describe("parameter counts of MLPerf's GNMT, width 1024 and 4 layers on each side", () => {
  it.each([
    [32_317, 160_665_150],
    [32_320, 160_671_297],
  ])("%i words: %i", (vocabulary, expected) => {
    // The number of weights is a quadratic polynomial of the width, and linear in the words.
    const sizes = [2, 4, 6];
    const at = sizes.map((width) => gnmtCount(width, 4, 10));
    const words = sizes.map((width) => gnmtCount(width, 4, 11) - gnmtCount(width, 4, 10));
    const quadratic = (values: number[], x: number): number =>
      sizes.reduce((sum, own, i) => {
        const others = sizes.filter((_, j) => j !== i);
        return sum + values[i]! * others.reduce((p, o) => (p * (x - o)) / (own - o), 1);
      }, 0);
    const total = quadratic(at, 1024) + (vocabulary - 10) * quadratic(words, 1024);
    expect(Math.round(total)).toBe(expected);
    expect(hparamsSet("gnmt")["model.params"]).toMatchObject({ hidden_size: 1024, num_layers: 4 });
    expect(tf.memory().numTensors).toBe(0);
  });
});
