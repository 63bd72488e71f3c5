import { describe, expect, it } from "vitest";
import { gnmtBeamSearch } from "../../src/decode/gnmt-beam-search.ts";
import type { GnmtSearchOptions } from "../../src/decode/gnmt-search-options.ts";
import { resolveRecipe } from "../../src/recipe/sources.ts";
import { translate, type Translation } from "../../src/recipe/translate.ts";
import type { TranslationTask } from "../../src/recipe/translation-task.ts";
import { TextPipeline } from "../../src/text/pipeline.ts";
import { Vocabulary } from "../../src/text/vocabulary.ts";
import { AttendingSyntheticScorer } from "../decode/attending-scorer.ts";
import { SyntheticScorer } from "../decode/synthetic-scorer.ts";

const vocabulary = new Vocabulary("abcdefgh".split(""), "test");
const pipeline = new TextPipeline({ language: "en", vocabulary });
const special = { unk: vocabulary.unkId, bos: vocabulary.bosId, eos: vocabulary.eosId };
const task: TranslationTask = {
  source: pipeline,
  target: pipeline,
  batchIds: { start: special.bos, eos: special.eos },
  special,
};
const sources = ["a b c", "d", "e f g h a"].map((line) => pipeline.encode(line));
const settings = {
  vocabSize: vocabulary.size,
  seed: 4,
  levels: 1000,
  eosBonus: -1,
  eos: special.eos,
};

function translated(
  flags: Record<string, unknown>,
  scorer: SyntheticScorer = new AttendingSyntheticScorer(settings),
): Promise<Translation[][]> {
  const search = resolveRecipe({ flags }).recipe.search_method;
  return translate(scorer, sources, { task, search, batchSentences: 2, seed: 1 });
}

function searched(options: Partial<GnmtSearchOptions>): Translation[][] {
  const scorer = new AttendingSyntheticScorer(settings);
  const found = gnmtBeamSearch(scorer, sources, { special, ...options });
  return found.map((hypotheses) =>
    hypotheses.map(({ tokens, score, finished }) => {
      return { text: pipeline.decode(tokens), score, finished };
    }),
  );
}

describe("search_method gnmt_beam_search", () => {
  it("has the defaults of GNMT's search", async () => {
    expect(await translated({ search_method: "gnmt_beam_search" })).toEqual(searched({}));
    expect(await translated({ search_method: "gnmt" })).toEqual(searched({}));
  });

  // Values under which the synthetic model's translations or scores differ from the default's.
  const cases: [Record<string, unknown>, Partial<GnmtSearchOptions>][] = [
    [{ beam_size: 2 }, { beamSize: 2 }],
    [{ len_norm_factor: 1.2 }, { lenNormFactor: 1.2 }],
    [{ len_norm_const: 1 }, { lenNormConst: 1 }],
    [{ cov_penalty_factor: 1 }, { covPenaltyFactor: 1 }],
    [{ max_seq_len: 3 }, { maxSeqLen: 3 }],
    [{ compat: "mlperf" }, { compat: "mlperf" }],
    [{ top_k: 4 }, { topK: 4 }],
    [{ enable_unk: true }, { enableUnk: true }],
  ];
  it.each(cases)("passes %j on", async (flags, options) => {
    const result = await translated({ search_method: "gnmt_beam_search", ...flags });
    expect(result).toEqual(searched(options));
    expect(result).not.toEqual(searched({}));
  });

  it("says what it needs of a model", async () => {
    const deaf = new SyntheticScorer(settings);
    await expect(translated({ search_method: "gnmt_beam_search" }, deaf)).rejects.toThrow(
      "gnmt_beam_search: expected a model that says how it attends to its source",
    );
  });

  it("refuses other searches' keys and unknown values", () => {
    const resolve = (flags: Record<string, unknown>) => () =>
      resolveRecipe({ flags: { search_method: "gnmt_beam_search", ...flags } });
    expect(resolve({ length_penalty: 1 })).toThrow(/length_penalty/);
    expect(resolve({ compat: "tensorflow" })).toThrow(/--compat: expected one of "none", "mlperf"/);
    expect(resolve({ max_seq_len: 1 })).toThrow(/--max_seq_len: expected a whole number of at/);
  });
});
