import { describe, expect, it } from "vitest";
import { decodeCorpus } from "../../src/decode/decode-corpus.ts";
import { gnmtBeamSearch } from "../../src/decode/gnmt-beam-search.ts";
import {
  type GnmtSearchOptions,
  resolveGnmtSearchOptions,
} from "../../src/decode/gnmt-search-options.ts";
import type { Hypothesis } from "../../src/decode/hypothesis.ts";
import { ConfigError, DataError } from "../../src/errors.ts";
import { type FixtureSearch, readGnmtFixture, readGnmtWeights } from "../helpers/gnmt-fixture.ts";
import { PlainGnmtScorer } from "../helpers/plain-gnmt-scorer.ts";
import { PlainGnmt } from "../helpers/plain-gnmt.ts";
import { AttendingSyntheticScorer } from "./attending-scorer.ts";
import { slowGnmtSearch } from "./slow-gnmt-search.ts";
import { SyntheticScorer } from "./synthetic-scorer.ts";

const special = { unk: 8, bos: 9, eos: 10 };
const vocabSize = 11;

function scorer(seed: number, levels = 1000, eosBonus = 0): AttendingSyntheticScorer {
  return new AttendingSyntheticScorer({ vocabSize, seed, levels, eosBonus, eos: special.eos });
}

function sources(...lengths: number[]): Int32Array[] {
  return lengths.map((length, i) =>
    Int32Array.from({ length }, (_, j) => (j === length - 1 ? special.eos : (i * 3 + j) % 8)),
  );
}

function plain(hypotheses: readonly Hypothesis[]) {
  return hypotheses.map(({ tokens, ...rest }) => ({ ...rest, tokens: [...tokens] }));
}

describe("gnmtBeamSearch with compat mlperf", () => {
  const fixture = readGnmtFixture();
  const model = new PlainGnmtScorer(new PlainGnmt(readGnmtWeights()));
  const { unk, bos, eos } = fixture.special;

  function found(search: FixtureSearch, topK: number): Hypothesis[][] {
    const { beamSize, lenNormFactor, lenNormConst, covPenaltyFactor, maxSeqLen } = search;
    const batch = search.sources.map((source) => Int32Array.from(source));
    return gnmtBeamSearch(model, batch, {
      special: { unk, bos, eos },
      beamSize,
      lenNormFactor,
      lenNormConst,
      covPenaltyFactor,
      maxSeqLen,
      compat: "mlperf",
      topK,
    });
  }

  const searches = fixture.searches.map((search): [string, FixtureSearch] => {
    const { beamSize, lenNormFactor, maxSeqLen } = search;
    return [`beam ${beamSize}, α ${lenNormFactor}, at most ${maxSeqLen}`, search];
  });

  it.each(searches)("gives the tokens and scores of MLPerf's search: %s", (_, search) => {
    const hypotheses = found(search, 1);
    expect(hypotheses).toHaveLength(search.tokens.length);
    hypotheses.forEach(([best], i) => {
      const expected = search.tokens[i]!.slice(1, search.lengths[i]);
      expect([...best!.tokens]).toEqual(expected);
      expect(best!.finished).toBe(expected.at(-1) === eos);
      if (search.scores !== null) expect(best!.score).toBeCloseTo(search.scores[i]!, 4);
    });
  });

  it.each(searches.filter(([, { beams }]) => beams !== null))(
    "gives every hypothesis of MLPerf's beam: %s",
    (_, search) => {
      found(search, search.beamSize).forEach((hypotheses, i) => {
        const beams = search.beams![i]!.toSorted((a, b) => b.score - a.score);
        expect(hypotheses.map(({ tokens }) => [...tokens])).toEqual(
          beams.map(({ tokens, length }) => tokens.slice(1, length)),
        );
        hypotheses.forEach(({ score }, k) => {
          expect(score).toBeCloseTo(beams[k]!.score, 4);
        });
      });
    },
  );
});

describe("gnmtBeamSearch", () => {
  const cases: [string, Partial<GnmtSearchOptions>, number][] = [
    ["default options", {}, 1],
    ["n-best", { topK: 5 }, 1],
    ["a wide beam", { beamSize: 10, topK: 10 }, 0],
    ["a beam of one", { beamSize: 1 }, 0],
    ["no length penalty", { lenNormFactor: 0, topK: 3 }, 1],
    ["another constant", { lenNormConst: 2.5, lenNormFactor: 1.1, topK: 3 }, 1],
    ["no coverage penalty", { covPenaltyFactor: 0, topK: 3 }, 1],
    ["a strong coverage penalty", { covPenaltyFactor: 2, topK: 5 }, 2],
    ["a short limit", { maxSeqLen: 4, topK: 5 }, -2],
    ["one token at most", { maxSeqLen: 2, topK: 5 }, 0],
    ["UNK enabled", { enableUnk: true, topK: 2 }, 0],
    ["EOS likely first", { topK: 5 }, 6],
  ];

  it.each(cases)("follows the plain rules: %s", (_, options, eosBonus) => {
    for (let seed = 1; seed <= 12; seed++) {
      const all = { special, maxSeqLen: 14, ...options };
      const fast = scorer(seed, 1000, eosBonus);
      const batch = sources(1, 5, 3, 8);
      const results = gnmtBeamSearch(fast, batch, all);
      batch.forEach((source, i) => {
        const slow = slowGnmtSearch(fast, source, resolveGnmtSearchOptions(all, vocabSize));
        expect(plain(results[i]!)).toEqual(slow);
      });
      expect(fast.liveStates).toBe(0);
    }
  });

  it("breaks ties by the earlier hypothesis, then the lower token", () => {
    for (let seed = 1; seed <= 40; seed++) {
      const all = { special, maxSeqLen: 7, topK: 5, lenNormFactor: 0 };
      const [source] = sources(4);
      const slow = slowGnmtSearch(
        scorer(seed, 2),
        source!,
        resolveGnmtSearchOptions(all, vocabSize),
      );
      expect(plain(gnmtBeamSearch(scorer(seed, 2), [source!], all)[0]!)).toEqual(slow);
    }
  });

  it.each(["none", "mlperf"] as const)(
    "gives the same results whatever the batch: compat %s",
    async (compat) => {
      const corpus = sources(7, 1, 4, 4, 9, 2, 12, 3);
      const options = { special, compat, topK: 3, maxSeqLen: 12, covPenaltyFactor: 0.5 };
      const alone = corpus.flatMap((source) => gnmtBeamSearch(scorer(5), [source], options));
      expect(gnmtBeamSearch(scorer(5), corpus, options)).toEqual(alone);
      for (const batching of [{ batchSentences: 1 }, { batchSentences: 3 }, { batchTokens: 15 }]) {
        const all = { method: "gnmt" as const, ...options, ...batching };
        expect(await decodeCorpus(scorer(5), corpus, all)).toEqual(alone);
      }
    },
  );

  it("scores no finished hypothesis again", () => {
    const counted = scorer(3, 1000, 3);
    gnmtBeamSearch(counted, sources(5, 4), { special, maxSeqLen: 20 });
    expect(counted.scoredRows).toBeLessThan(counted.steps * 2 * 5 * 0.8);
  });

  it("accepts no sources", () => {
    expect(gnmtBeamSearch(scorer(1), [], { special })).toEqual([]);
  });
});

/**
 * Source of two tokens; outputs 0 and 1 attend to one source token each. The first step prefers 0,
 * the second reverses the order, so that hypotheses change places in the beam.
 */
class SwappingScorer extends AttendingSyntheticScorer {
  constructor() {
    super({ vocabSize: 5, seed: 1, levels: 1, eos: 4 });
  }

  override logProbsOf(_: Int32Array, prefix: readonly number[]): Float32Array {
    const next: Record<string, readonly number[]> = {
      "3": [0.5, 0.4, 0.05, 0.03, 0.02],
      "3,0": [0.02, 0.02, 0.4, 0.16, 0.4],
      "3,1": [0.01, 0.01, 0.01, 0.01, 0.96],
    };
    return Float32Array.from(next[prefix.join(",")] ?? [0.02, 0.02, 0.02, 0.02, 0.92], Math.log);
  }

  override attentionOf(_: Int32Array, prefix: readonly number[]): Float32Array {
    if (prefix.length === 1) return Float32Array.of(0.5, 0.5);
    return prefix[1] === 0 ? Float32Array.of(0.9, 0.1) : Float32Array.of(0.1, 0.9);
  }
}

describe("compat of gnmtBeamSearch", () => {
  const swapSpecial = { unk: 2, bos: 3, eos: 4 };
  const source = Int32Array.of(0, 4);
  const options = { special: swapSpecial, beamSize: 2, topK: 2, lenNormFactor: 0, enableUnk: true };

  function scoresOf(compat: "none" | "mlperf"): Map<string, number> {
    const all = { ...options, compat, covPenaltyFactor: 1, maxSeqLen: 10 };
    const [hypotheses] = gnmtBeamSearch(new SwappingScorer(), [source], all);
    return new Map(hypotheses!.map(({ tokens, score }) => [tokens.join(" "), score]));
  }

  it("moves coverage with its hypothesis, or leaves it in its place", () => {
    // Step 2: "1 4" (0.384) passes "0 2" (0.2), which comes from place 0. Step 3: "0 2 4" (0.184).
    const [first, second] = [Math.log(0.4 * 0.96), Math.log(0.5 * 0.4 * 0.92)];
    // Sane: "1 4" attended 0.5 + 0.1 and 0.5 + 0.9; "0 2 4" 0.5 + 0.9 + 0.9 and 0.5 + 0.1 + 0.1.
    const sane = scoresOf("none");
    expect(sane.get("1 4")).toBeCloseTo(first + Math.log(0.6), 5);
    expect(sane.get("0 2 4")).toBeCloseTo(second + Math.log(0.7), 5);
    // Places: place 0 holds "0" in step 2, place 1 "1"; in step 3 "0 2" is in place 1.
    const places = scoresOf("mlperf");
    expect(places.get("1 4")).toBeCloseTo(first + Math.log(0.6), 5); // 1.4 and 0.6
    expect(places.get("0 2 4")).toBeCloseTo(second, 5); // 0.6 + 0.9 and 1.4 + 0.1
  });

  it("normalises outputs cut off at the limit, or compares them raw", () => {
    const all = { ...options, lenNormFactor: 2, covPenaltyFactor: 0, maxSeqLen: 3 };
    const cut = { tokens: [0, 2], raw: Math.log(0.2), finished: false };
    const ended = { tokens: [1, 4], raw: Math.log(0.384), finished: true };
    const run = (compat: "none" | "mlperf", maxSeqLen: number) =>
      gnmtBeamSearch(new SwappingScorer(), [source], { ...all, compat, maxSeqLen })[0]!;
    const penalty = (8 / 6) ** 2;
    for (const [compat, divisor] of [
      ["mlperf", 1],
      ["none", penalty],
    ] as const) {
      const found = run(compat, 3);
      expect(plain(found)).toMatchObject([
        { tokens: ended.tokens, finished: true },
        { tokens: cut.tokens, finished: false },
      ]);
      expect(found[0]!.score).toBeCloseTo(ended.raw / divisor, 5);
      expect(found[1]!.score).toBeCloseTo(cut.raw / divisor, 5);
    }
    // With the last allowed token all are finished: MLPerf has no step left to notice it.
    const lastToken = (compat: "none" | "mlperf") => run(compat, 4).map(({ score }) => score);
    expect(lastToken("mlperf")[0]).toBeCloseTo(ended.raw, 5);
    expect(lastToken("none").toSorted((a, b) => b - a)[0]).toBeGreaterThan(ended.raw / 1.5);
    expect(run("mlperf", 5).map(({ score }) => score)).toEqual(lastToken("none"));
  });
});

describe("errors of gnmtBeamSearch", () => {
  it("needs a scorer that says how its model attends", () => {
    const deaf = new SyntheticScorer({ vocabSize, seed: 1, levels: 9, eos: special.eos });
    expect(() => gnmtBeamSearch(deaf, sources(3), { special })).toThrow(
      "gnmt_beam_search: expected a model that says how it attends to its source, received one " +
        "that does not. Choose search_method beam_search.",
    );
  });

  const wrong: [Partial<GnmtSearchOptions>, string][] = [
    [{ beamSize: 0 }, "beam_size: expected 1 to 10, received 0. Change beam_size."],
    [{ beamSize: 12, compat: "mlperf" }, "beam_size: expected 1 to 11, received 12."],
    [{ maxSeqLen: 1 }, "max_seq_len: expected an integer from 2, received 1."],
    [{ lenNormFactor: NaN }, "len_norm_factor: expected a number, received NaN."],
    [{ lenNormConst: -1 }, "len_norm_const: expected a number from 0, received -1."],
    [{ covPenaltyFactor: -0.1 }, "cov_penalty_factor: expected a number from 0, received -0.1."],
    [{ topK: 6 }, "top_k: expected 1 to beam_size (5), received 6."],
    [{ special: { ...special, eos: 11 } }, "special.eos: expected an id below 11, received 11."],
  ];
  it.each(wrong)("refuses %j", (options, message) => {
    const run = () => gnmtBeamSearch(scorer(1), sources(3), { special, ...options });
    expect(run).toThrow(ConfigError);
    expect(run).toThrow(`gnmt_beam_search: ${message}`);
  });

  it("refuses ids outside the vocabulary, and gives states back when a model fails", () => {
    expect(() => gnmtBeamSearch(scorer(1), [Int32Array.of(11)], { special })).toThrow(DataError);
    const broken = scorer(1);
    broken.logProbsOf = () => new Float32Array(vocabSize).fill(NaN);
    expect(() => gnmtBeamSearch(broken, sources(3), { special })).toThrow("received NaN");
    expect(broken.liveStates).toBe(0);
  });
});
