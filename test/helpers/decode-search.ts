/** Decoding and comparing what was found. */
import { expect } from "vitest";
import { beamSearch } from "../../src/decode/beam-search.ts";
import type { DecodeOptions } from "../../src/decode/decode-options.ts";
import type { Hypothesis } from "../../src/decode/hypothesis.ts";
import { sampleOutputs } from "../../src/decode/sampling.ts";
import type { StepScorer } from "../../src/decode/step-scorer.ts";

/** Decodes by the options' method. */
export function search<State>(
  scorer: StepScorer<State>,
  options: DecodeOptions,
  sources: readonly Int32Array[],
): Hypothesis[][] {
  if (options.method === "sampling") return sampleOutputs(scorer, sources, options);
  return beamSearch(scorer, sources, options);
}

/** Expects the same tokens, and scores within a distance. */
export function expectSame(found: Hypothesis[][], expected: Hypothesis[][], within: number): void {
  const tokens = (all: Hypothesis[][]) => all.map((best) => best.map((h) => [...h.tokens]));
  expect(tokens(found)).toEqual(tokens(expected));
  found.flat().forEach(({ score }, i) => {
    expect(Math.abs(score - expected.flat()[i]!.score)).toBeLessThan(within);
  });
}
