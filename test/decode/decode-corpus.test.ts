import { describe, expect, it } from "vitest";
import { decodeCorpus } from "../../src/decode/decode-corpus.ts";
import { ConfigError } from "../../src/errors.ts";
import { SyntheticScorer } from "./synthetic-scorer.ts";

const special = { unk: 8, bos: 9, eos: 10 };

function scorer(): SyntheticScorer {
  return new SyntheticScorer({ vocabSize: 11, seed: 3, levels: 1000, eosBonus: 1, eos: 10 });
}

const sources = [5, 2, 9, 1, 2, 7, 3, 12].map((length, i) =>
  Int32Array.from({ length }, (_, j) => (j === length - 1 ? 10 : (i + j) % 8)),
);

describe("decodeCorpus", () => {
  it.each(["beam", "greedy", "sampling"] as const)(
    "gives results in input order, whatever the batching: %s",
    async (method) => {
      const options = { special, method, sampleNum: 2, extraDecodeLength: 8 };
      const whole = await decodeCorpus(scorer(), sources, { ...options, batchSentences: 100 });
      const single = await decodeCorpus(scorer(), sources, { ...options, batchSentences: 1 });
      const byTokens = await decodeCorpus(scorer(), sources, { ...options, batchTokens: 15 });
      expect(single).toEqual(whole);
      expect(byTokens).toEqual(whole);
      expect(whole).toHaveLength(sources.length);
    },
  );

  it("reports progress up to the whole corpus", async () => {
    const seen: number[] = [];
    const options = { special, batchSentences: 3 };
    await decodeCorpus(scorer(), sources, options, ({ sentences, total }) => {
      expect(total).toBe(8);
      seen.push(sentences);
    });
    expect(seen).toEqual([3, 6, 8]);
  });

  it("accepts an empty corpus", async () => {
    expect(await decodeCorpus(scorer(), [], { special })).toEqual([]);
  });

  it("refuses a batch of no sentences", async () => {
    const run = decodeCorpus(scorer(), sources, { special, batchSentences: 0 });
    await expect(run).rejects.toThrow(ConfigError);
  });
});
