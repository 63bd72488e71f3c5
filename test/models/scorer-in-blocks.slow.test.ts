/** Decoding in blocks, and captured, finds what decoding step by step finds. */
import * as tf from "@tensorflow/tfjs";
import { describe, expect, it, beforeAll } from "vitest";
import { selectBackend } from "../../src/backends/select.ts";
import type { DecodeOptions } from "../../src/decode/decode-options.ts";
import type { Hypothesis } from "../../src/decode/hypothesis.ts";
import { createCapturedScorer } from "../../src/models/captured-scorer.ts";
import { createModelScorer } from "../../src/models/scorer.ts";
import type { Transformer } from "../../src/models/transformer.ts";
import { createPass, disposePass, type Pass } from "../../src/quant/pass.ts";
import { expectSame, search } from "../helpers/decode-search.ts";
import { describeBackends, expectFlatMemory } from "../helpers/backend-variants.ts";
import { hasNative } from "../helpers/native.ts";
import { makeTinyTransformer, TINY_SPECIAL, tinySentences } from "../helpers/tiny-transformer.ts";

const SOURCES = tinySentences(5);
/** More than one block of steps. */
const LONG = { special: TINY_SPECIAL, minimumDecodeLength: 19, maximumDecodeLength: 36 };
const BEAM: DecodeOptions = { ...LONG, method: "beam", beamSize: 4, lengthPenalty: 0.6, topK: 4 };
const GREEDY: DecodeOptions = { ...LONG, method: "greedy" };
const SAMPLING: DecodeOptions = { ...LONG, method: "sampling", sampleNum: 3, seed: 4 };

const sessions = (): number =>
  (
    tf.backend() as unknown as { binding: { getNumOfSavedModels(): number } }
  ).binding.getNumOfSavedModels();

function eagerly(
  model: Transformer,
  options: DecodeOptions,
  products: Pass["products"] = "codes",
): Hypothesis[][] {
  const scorer = createModelScorer(model, products, Infinity);
  try {
    return search(scorer, options, SOURCES);
  } finally {
    scorer.close();
  }
}

const MODELS: [string, Record<string, unknown>, Record<string, unknown> | null][] = [
  ["float", {}, null],
  ["8 bits", {}, {}],
  ["learned positions", { "modality.timing": { timing: "emb", max_positions: 40 } }, {}],
  ["float probabilities", {}, { overrides: [{ match: "**/softmax", enable: false }] }],
];

describeBackends("a scorer in blocks", (backend) => {
  it.each(MODELS)("finds what the other one finds: %s", (_name, params, quantParams) => {
    const model = makeTinyTransformer(params, quantParams);
    const pass = createPass({ products: "codes" });
    const scorer = createCapturedScorer(model, pass, 1);
    for (const options of [GREEDY, BEAM, SAMPLING]) {
      const expected = eagerly(model, options);
      expect(Math.max(...expected.flat().map(({ tokens }) => tokens.length))).toBeGreaterThan(16);
      for (let i = 0; i < 2; i++) expectSame(search(scorer, options, SOURCES), expected, 1e-3);
    }
    for (const { replayed, fallback } of scorer.reports()) {
      expect(fallback).toBe(null);
      if (backend === "native") expect(replayed).toBeGreaterThan(0);
    }
    scorer.close();
    disposePass(pass);
    model.dispose();
  });

  it("says where positions end", () => {
    const model = makeTinyTransformer({ "modality.timing": { timing: "emb", max_positions: 18 } });
    const pass = createPass({ products: "codes" });
    const scorer = createCapturedScorer(model, pass);
    expect(() => search(scorer, GREEDY, SOURCES)).toThrow(/at most 18 positions, received 19/);
    scorer.close();
    disposePass(pass);
    model.dispose();
  });

  it("frees its state, at the end and in the middle", () => {
    const model = makeTinyTransformer();
    const pass = createPass({ products: "codes" });
    const scorer = createCapturedScorer(model, pass, 1);
    for (let i = 0; i < 3; i++) search(scorer, BEAM, SOURCES);
    const bos = new Int32Array(SOURCES.length).fill(TINY_SPECIAL.bos);
    expectFlatMemory(() => {
      search(scorer, BEAM, SOURCES);
      const step = scorer.step(scorer.start(SOURCES), bos);
      scorer.dispose(scorer.gather(step.state, Int32Array.of(2, 2, 0)));
    });
    scorer.close();
    disposePass(pass);
    model.dispose();
  });
});

describe.skipIf(!hasNative)("captured decoding", () => {
  beforeAll(() => selectBackend("native"));

  it("begins after some batches, and frees its graphs", () => {
    const model = makeTinyTransformer();
    const before = sessions();
    const expected = eagerly(model, GREEDY);
    const scorer = createModelScorer(model, "codes", 2);
    const seen = Array.from({ length: 14 }, () => {
      expectSame(search(scorer, GREEDY, SOURCES), expected, 1e-3);
      return sessions() - before;
    });
    expect(seen.slice(0, 2)).toEqual([0, 0]);
    expect(seen.at(-1)).toBeGreaterThan(0);
    expect(seen.at(-1)).toBeLessThanOrEqual(8);
    scorer.close();
    expect(sessions()).toBe(before);
    model.dispose();
  });
});
