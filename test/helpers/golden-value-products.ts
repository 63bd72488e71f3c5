/** Decodes the golden sentences with the shipped model, quantized as NeurST quantizes it. */
import { expect } from "vitest";
import { beamSearch } from "../../src/decode/beam-search.ts";
import { createModelScorer } from "../../src/models/scorer.ts";
import { resolveQuantConfig } from "../../src/quant/config.ts";
import type { Pass } from "../../src/quant/pass.ts";
import { loadLohelp, LOHELP_VOCABULARY, readGolden } from "./lohelp.ts";

const [unk, bos, eos] = [3, 2, 1].map((i) => LOHELP_VOCABULARY - i) as [number, number, number];

export interface GoldenDecoding {
  readonly section: "qat";
  readonly products: Pass["products"];
  /** How many of the 32 sentences. */
  readonly sentences: number;
}

/** Expects NeurST's tokens and scores of beam 4, length penalty 0.6. */
export function expectGoldenDecoding({ section, products, sentences }: GoldenDecoding): void {
  const golden = readGolden();
  const expected = golden[section]["beam4_lp0.6"]!;
  const model = loadLohelp(
    resolveQuantConfig({
      quant_rounding: "half_up",
      quant_compat: "neurst",
      quant_weight_clip_max: 1,
      quant_act_clip_max: 16,
    }),
  );
  const scorer = createModelScorer(model, products);
  const sources = golden.source_ids.slice(0, sentences).map((ids) => Int32Array.from(ids));
  const options = { special: { unk, bos, eos }, maximumDecodeLength: 80 };
  const hypotheses = beamSearch(scorer, sources, options).map((best) => best[0]!);
  scorer.close();
  model.dispose();
  expect(hypotheses.map(({ tokens }) => [...tokens])).toEqual(expected.tokens.slice(0, sentences));
  hypotheses.forEach(({ score }, i) => {
    expect(score).toBeCloseTo(expected.scores[i]!, 3);
  });
}
