import { beforeAll, describe, expect, it } from "vitest";
import { selectBackend } from "../../src/backends/select.ts";
import { beamSearch } from "../../src/decode/beam-search.ts";
import { createModelScorer } from "../../src/models/scorer.ts";
import type { Pass } from "../../src/quant/pass.ts";
import { resolveQuantConfig } from "../../src/quant/config.ts";
import { loadLohelp, LOHELP_VOCABULARY, readGolden } from "../helpers/lohelp.ts";

const golden = readGolden();
const sources = golden.source_ids.map((ids) => Int32Array.from(ids));
const [unk, bos, eos] = [3, 2, 1].map((i) => LOHELP_VOCABULARY - i) as [number, number, number];

beforeAll(() => selectBackend("wasm"));

function expectDecoded(
  quantParams: object | null,
  method: "greedy" | "beam",
  expected: { tokens: number[][]; scores: number[] },
  products?: Pass["products"],
): void {
  const model = loadLohelp(quantParams === null ? null : resolveQuantConfig(quantParams));
  const scorer = createModelScorer(model, products);
  const hypotheses = beamSearch(scorer, sources, {
    ...{ special: { unk, bos, eos }, method, maximumDecodeLength: 80 },
  }).map((best) => best[0]!);
  scorer.close();
  model.dispose();
  expect(hypotheses.map(({ tokens }) => [...tokens])).toEqual(expected.tokens);
  hypotheses.forEach(({ score }, i) => {
    expect(score).toBeCloseTo(expected.scores[i]!, 3);
  });
}

describe("the shipped model decodes what NeurST decodes", () => {
  const neurst = {
    quant_rounding: "half_up",
    quant_compat: "neurst",
    quant_weight_clip_max: 1,
    quant_act_clip_max: 16,
  };
  it("greedily in float", () => {
    expectDecoded(null, "greedy", golden.float.greedy!);
  });
  it("by beam search in float", () => {
    expectDecoded(null, "beam", golden.float["beam4_lp0.6"]!);
  });
  it("by beam search with enable_quant, products of codes", () => {
    expectDecoded(neurst, "beam", golden.qat["beam4_lp0.6"]!, "codes");
  });
  it("by beam search with enable_quant, products of values", () => {
    expectDecoded(neurst, "beam", golden.qat["beam4_lp0.6"]!, "values");
  });
});
