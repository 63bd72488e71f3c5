import * as tf from "@tensorflow/tfjs";
import { beforeAll, describe, expect, it } from "vitest";
import { selectBackend } from "../../src/backends/select.ts";
import { hparamsSet } from "../../src/models/hparams.ts";
import { Transformer } from "../../src/models/transformer.ts";
import { parameterCount } from "../helpers/lohelp.ts";

beforeAll(() => selectBackend("cpu"));

/** Variables of a set with fewer layers and words; every count is linear in both. */
function count(name: string, encoder: number, decoder: number, vocabulary: number): number {
  const params = hparamsSet(name)["model.params"];
  const layers = { "encoder.num_layers": encoder, "decoder.num_layers": decoder };
  const model = new Transformer({
    params: { ...params, ...layers },
    sourceVocabSize: vocabulary,
    targetVocabSize: vocabulary,
    quantConfig: null,
    seed: 1,
  });
  const size = parameterCount(model.variables);
  model.dispose();
  return size;
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
