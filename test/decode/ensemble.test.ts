import { describe, expect, it } from "vitest";
import { beamSearch } from "../../src/decode/beam-search.ts";
import { ensembleScorer } from "../../src/decode/ensemble.ts";
import type { StepScorer } from "../../src/decode/step-scorer.ts";
import { ConfigError } from "../../src/errors.ts";
import { SyntheticScorer } from "./synthetic-scorer.ts";

const special = { unk: 8, bos: 9, eos: 10 };

function member(seed: number, vocabSize = 11): SyntheticScorer {
  return new SyntheticScorer({ vocabSize, seed, levels: 1000, eos: 10 });
}

const source = Int32Array.of(1, 2, 10);

describe("ensembleScorer", () => {
  it("averages probabilities by weight", () => {
    const [a, b] = [member(1), member(2)];
    const both = ensembleScorer([a, b] as StepScorer<unknown>[], [3, 1]);
    const { logProbs, state } = both.step(both.start([source]), Int32Array.of(9));
    const [pa, pb] = [a.logProbsOf(source, [9]), b.logProbsOf(source, [9])];
    logProbs.forEach((logProb, token) => {
      const mean = 0.75 * Math.exp(pa[token]!) + 0.25 * Math.exp(pb[token]!);
      expect(logProb).toBeCloseTo(Math.log(mean), 5);
    });
    both.dispose(state);
    expect(a.liveStates + b.liveStates).toBe(0);
  });

  it("decodes like its only member, and frees all states", () => {
    const [a, b, c] = [member(1), member(1), member(2)];
    const options = { special, topK: 3, extraDecodeLength: 6 };
    const alone = beamSearch(a, [source], options);
    const twice = beamSearch(ensembleScorer([a, b] as StepScorer<unknown>[]), [source], options);
    expect(twice[0]!.map(({ tokens }) => tokens)).toEqual(alone[0]!.map(({ tokens }) => tokens));
    beamSearch(ensembleScorer([a, c] as StepScorer<unknown>[]), [source, source], options);
    expect(a.liveStates + b.liveStates + c.liveStates).toBe(0);
  });

  it("refuses unequal vocabularies, no members and unusable weights", () => {
    const members = [member(1), member(2, 12)] as StepScorer<unknown>[];
    expect(() => ensembleScorer(members)).toThrow("vocabulary sizes 11, 12");
    expect(() => ensembleScorer([])).toThrow(ConfigError);
    expect(() => ensembleScorer([members[0]!], [1, 1])).toThrow(ConfigError);
    expect(() => ensembleScorer([members[0]!], [0])).toThrow(ConfigError);
    expect(() => ensembleScorer([members[0]!], [NaN])).toThrow(ConfigError);
  });
});
