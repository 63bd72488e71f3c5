/** Decodes the golden sentences with the shipped model. */
import { expect } from "vitest";
import { beamSearch } from "../../src/decode/beam-search.ts";
import { createModelScorer } from "../../src/models/scorer.ts";
import { resolveQuantConfig } from "../../src/quant/config.ts";
import type { Pass } from "../../src/quant/pass.ts";
import { loadLohelp, LOHELP_VOCABULARY, readGolden } from "./lohelp.ts";

const [unk, bos, eos] = [3, 2, 1].map((i) => LOHELP_VOCABULARY - i) as [number, number, number];

export interface GoldenDecoding {
  readonly section: "float" | "qat";
  readonly method: "greedy" | "beam4_lp0.6";
  readonly products: Pass["products"];
  /** How many of the 32 sentences. */
  readonly sentences: number;
}

/** Expects NeurST's tokens; its scores too where products are summed as it sums them. */
export function expectGoldenDecoding({
  section,
  method,
  products,
  sentences,
}: GoldenDecoding): void {
  const golden = readGolden();
  const expected = golden[section][method]!;
  const neurst = { quant_rounding: "half_up", quant_compat: "neurst" };
  const clips = { quant_weight_clip_max: 1, quant_act_clip_max: 16 };
  const model = loadLohelp(
    section === "float" ? null : resolveQuantConfig({ ...neurst, ...clips }),
  );
  const scorer = createModelScorer(model, products);
  const sources = golden.source_ids.slice(0, sentences).map((ids) => Int32Array.from(ids));
  const hypotheses = beamSearch(scorer, sources, {
    special: { unk, bos, eos },
    method: method === "greedy" ? "greedy" : "beam",
    maximumDecodeLength: 80,
  }).map((best) => best[0]!);
  scorer.close();
  model.dispose();
  expect(hypotheses.map(({ tokens }) => [...tokens])).toEqual(expected.tokens.slice(0, sentences));
  if (section === "qat" && products === "codes") return;
  hypotheses.forEach(({ score }, i) => {
    expect(score).toBeCloseTo(expected.scores[i]!, 3);
  });
}
