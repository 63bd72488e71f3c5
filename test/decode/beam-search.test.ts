import { describe, expect, it } from "vitest";
import { beamSearch } from "../../src/decode/beam-search.ts";
import { type DecodeOptions, resolveDecodeOptions } from "../../src/decode/decode-options.ts";
import { greedySearch } from "../../src/decode/greedy.ts";
import { lengthFactor } from "../../src/decode/hypothesis.ts";
import { CheckpointError, ConfigError, DataError } from "../../src/errors.ts";
import { slowBeamSearch } from "./slow-beam-search.ts";
import { SyntheticScorer } from "./synthetic-scorer.ts";

const special = { unk: 8, bos: 9, eos: 10 };
const vocabSize = 11;

function scorer(seed: number, levels = 1000, eosBonus = 0): SyntheticScorer {
  return new SyntheticScorer({ vocabSize, seed, levels, eosBonus, eos: special.eos });
}

function sources(...lengths: number[]): Int32Array[] {
  return lengths.map((length, i) =>
    Int32Array.from({ length }, (_, j) => (j === length - 1 ? special.eos : (i * 3 + j) % 8)),
  );
}

function expectSameAsSlow(fast: SyntheticScorer, batch: Int32Array[], options: DecodeOptions) {
  const resolved = resolveDecodeOptions(options, vocabSize);
  const found = beamSearch(fast, batch, options);
  batch.forEach((source, i) => {
    const slow = slowBeamSearch(
      (prefix) => fast.logProbsOf(source, prefix),
      source.length,
      resolved,
    );
    const got = found[i]!.map(({ tokens, score, finished }) => ({
      tokens: [...tokens],
      score,
      finished,
    }));
    expect(got).toEqual(slow);
  });
  expect(fast.liveStates).toBe(0);
}

describe("beamSearch", () => {
  const cases: [string, Partial<DecodeOptions>, number][] = [
    ["default options", {}, 1],
    ["n-best", { topK: 4 }, 1],
    ["a wide beam", { beamSize: 9, topK: 9 }, 0],
    ["a beam of one", { beamSize: 1 }, 0],
    ["no length penalty", { lengthPenalty: 0, topK: 3 }, 1],
    ["average per token", { lengthPenalty: -1, topK: 3 }, 1],
    ["a strong penalty", { lengthPenalty: 2, topK: 3 }, 1],
    ["a minimum length", { minimumDecodeLength: 6, topK: 2 }, 3],
    ["a minimum above source + extra", { minimumDecodeLength: 9, extraDecodeLength: 0 }, 2],
    ["a maximum", { maximumDecodeLength: 3, topK: 4 }, -2],
    ["one token at most", { maximumDecodeLength: 1, topK: 4 }, 0],
    ["little extra", { extraDecodeLength: 1, topK: 2 }, -3],
    ["UNK enabled", { enableUnk: true, topK: 2 }, 0],
    ["EOS likely first", { topK: 4 }, 6],
  ];
  it.each(cases)("follows the plain rules: %s", (_, options, eosBonus) => {
    for (let seed = 1; seed <= 12; seed++) {
      const all = { special, extraDecodeLength: 12, ...options };
      expectSameAsSlow(scorer(seed, 1000, eosBonus), sources(1, 5, 3, 8), all);
    }
  });

  it("breaks ties by the earlier beam, then the lower token", () => {
    for (let seed = 1; seed <= 40; seed++) {
      const options = { special, extraDecodeLength: 6, topK: 4, lengthPenalty: 0 };
      expectSameAsSlow(scorer(seed, 2, 0), sources(4, 2), options);
    }
  });

  it("gives the same results whatever the batch", () => {
    const batch = sources(7, 1, 4, 4, 9, 2);
    const options = { special, topK: 2, extraDecodeLength: 10 };
    const together = beamSearch(scorer(5), batch, options);
    const alone = batch.flatMap((source) => beamSearch(scorer(5), [source], options));
    expect(together).toEqual(alone);
  });

  it("scores only hypotheses that are not finished", () => {
    const likely = scorer(3, 1000, 3);
    beamSearch(likely, sources(4, 4, 4), { special });
    expect(likely.steps).toBeGreaterThan(2);
    // Three rows at first, then at most three beams of four.
    expect(likely.scoredRows).toBeLessThan((3 + 12 * (likely.steps - 1)) * 0.8);
  });

  it("returns nothing for no sources", () => {
    expect(beamSearch(scorer(1), [], { special })).toEqual([]);
  });

  it("refuses NaN scores", () => {
    const broken = scorer(1);
    broken.logProbsOf = () => new Float32Array(vocabSize).fill(NaN);
    expect(() => beamSearch(broken, sources(3), { special })).toThrow(CheckpointError);
    expect(broken.liveStates).toBe(0);
  });

  it("survives scores of minus infinity", () => {
    const sparse = scorer(1);
    sparse.logProbsOf = (_, prefix) =>
      Float32Array.from({ length: vocabSize }, (_x, token) =>
        token === (prefix.length < 3 ? 2 : special.eos) ? 0 : -Infinity,
      );
    const best = beamSearch(sparse, sources(3), { special })[0]![0]!;
    expect([...best.tokens]).toEqual([2, 2, special.eos]);
  });

  it.each([
    [{ beamSize: 0 }, "beam_size"],
    [{ beamSize: 10 }, "beam_size"],
    [{ beamSize: 2, topK: 3 }, "top_k"],
    [{ lengthPenalty: NaN }, "length_penalty"],
    [{ maximumDecodeLength: 0 }, "maximum_decode_length"],
    [{ maximumDecodeLength: 5, minimumDecodeLength: 5 }, "minimum_decode_length"],
    [{ extraDecodeLength: -1 }, "extra_decode_length"],
    [{ special: { ...special, eos: 11 } }, "special.eos"],
  ])("refuses %j", (options, name) => {
    const run = () => beamSearch(scorer(1), sources(3), { special, ...options });
    expect(run).toThrow(ConfigError);
    expect(run).toThrow(name);
  });

  it("refuses empty sources and ids outside the vocabulary", () => {
    expect(() => beamSearch(scorer(1), [new Int32Array(0)], { special })).toThrow(DataError);
    expect(() => beamSearch(scorer(1), [Int32Array.of(3, 11)], { special })).toThrow(DataError);
  });
});

describe("greedySearch", () => {
  it("takes the most probable token at each step", () => {
    const greedy = scorer(8, 1000, 1);
    const batch = sources(5, 2, 6, 1, 3);
    const found = greedySearch(greedy, batch, { special, extraDecodeLength: 9 });
    found.forEach(({ tokens, logProb, finished, score }, i) => {
      let sum = 0;
      const expected: number[] = [];
      while (expected.at(-1) !== special.eos && expected.length < batch[i]!.length + 9) {
        const logProbs = greedy.logProbsOf(batch[i]!, [special.bos, ...expected]);
        logProbs[special.unk] = -Infinity;
        const best = logProbs.indexOf(Math.max(...logProbs));
        sum = Math.fround(sum + logProbs[best]!);
        expected.push(best);
      }
      expect([...tokens]).toEqual(expected);
      expect(logProb).toBe(sum);
      expect(finished).toBe(expected.at(-1) === special.eos);
      expect(score).toBe(Math.fround(sum * lengthFactor(expected.length, 0.6)));
    });
    expect(greedy.liveStates).toBe(0);
  });
});

describe("lengthFactor", () => {
  it("is ((5 + length) / 6)^-alpha, or 1 / length for a negative alpha", () => {
    expect(lengthFactor(1, 0.6)).toBe(1);
    expect(lengthFactor(7, 0.6)).toBeCloseTo(2 ** -0.6, 6);
    expect(lengthFactor(13, 0)).toBe(1);
    expect(lengthFactor(4, -1)).toBe(0.25);
  });
});
