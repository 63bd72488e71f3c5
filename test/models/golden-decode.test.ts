/** Tokens and scores that NeurST itself decodes with the shipped weights. */
import { beforeAll, describe, expect, it } from "vitest";
import { selectBackend } from "../../src/backends/select.ts";
import { decodeCorpus } from "../../src/decode/decode-corpus.ts";
import type { DecodeOptions } from "../../src/decode/decode-options.ts";
import { createModelScorer } from "../../src/models/scorer.ts";
import { resolveQuantConfig } from "../../src/quant/config.ts";
import { loadLohelp, readGolden } from "../helpers/lohelp.ts";

const golden = readGolden();
const sources = golden.source_ids.map((ids) => Int32Array.from(ids));
const special = { unk: 4136, bos: 4137, eos: 4138 };
const neurst = {
  quant_rounding: "half_up",
  quant_compat: "neurst",
  quant_weight_clip_max: 1,
  quant_act_clip_max: 16,
};

/** Decodes like NeurST and compares tokens. @returns distances of the scores from NeurST's */
async function expectTokens(
  quantParams: Record<string, unknown> | null,
  options: Partial<DecodeOptions>,
  expected: { tokens: number[][]; scores: number[] },
): Promise<number[]> {
  const model = loadLohelp(quantParams === null ? null : resolveQuantConfig(quantParams));
  const scorer = createModelScorer(model);
  try {
    const settings = { special, maximumDecodeLength: 80, ...options };
    const found = await decodeCorpus(scorer, sources, settings);
    expect(found.map(([best]) => [...best!.tokens])).toEqual(expected.tokens);
    expect(found.every(([best]) => best!.finished)).toBe(true);
    return found.map(([best], i) => Math.abs(best!.score - expected.scores[i]!));
  } finally {
    scorer.close();
    model.dispose();
  }
}

describe("the shipped model decodes what NeurST decodes", { timeout: 120_000 }, () => {
  beforeAll(() => selectBackend("wasm"));

  it("greedily, in float", async () => {
    const distances = await expectTokens(null, { method: "greedy" }, golden.float.greedy!);
    expect(Math.max(...distances)).toBeLessThan(1e-3);
  });

  it("with a beam of 4, in float", async () => {
    const distances = await expectTokens(null, {}, golden.float["beam4_lp0.6"]!);
    expect(Math.max(...distances)).toBeLessThan(1e-3);
  });

  it("with a beam of 4, quantized", async () => {
    const distances = await expectTokens(neurst, {}, golden.qat["beam4_lp0.6"]!);
    // NeurST multiplies float values, whose last bits decide ties: single codes differ, and with
    // steps of 16/127 one of them moves a score by up to a few hundredths.
    expect(distances.filter((distance) => distance > 1e-3).length).toBeLessThanOrEqual(5);
    expect(Math.max(...distances)).toBeLessThan(0.05);
  });
});
