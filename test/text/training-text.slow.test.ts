import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { learnBpe } from "../../src/text/bpe-learn.ts";
import { Bpe, formatBpeCodes, parseBpeCodes } from "../../src/text/bpe.ts";
import { MosesTokenizer } from "../../src/text/moses-tokenize.ts";
import { countTokens, mostFrequentTokens } from "../../src/text/vocabulary.ts";

function read(name: string): string {
  return readFileSync(new URL(`../../data/lohelp-en-de/${name}`, import.meta.url), "utf8");
}

const tokenized = ["en", "de"].flatMap((language) => {
  const tokenizer = new MosesTokenizer(language, { aggressiveDashSplits: true, escape: false });
  const lines = read(`train.${language}`).split("\n").slice(0, -1);
  return lines.map((line) => tokenizer.tokenize(line));
});

describe("the training text", () => {
  it("segments to the counts of vocab.freq.txt", () => {
    const bpe = new Bpe(parseBpeCodes(read("codes.bpe"), "codes.bpe"));
    const counts = countTokens(tokenized.map((line) => bpe.segment(line).join(" ")));
    const expected = read("vocab.freq.txt")
      .split("\n")
      .slice(0, -1)
      .map((line) => line.split(" "));
    expect(counts.size).toBe(expected.length);
    expect(expected.map(([token]) => [token, String(counts.get(token!))])).toEqual(expected);
    const frequencies = mostFrequentTokens(counts).map((token) => counts.get(token));
    expect(frequencies).toEqual(expected.map(([, count]) => Number(count)));
  });

  it("teaches the operations of codes.bpe", () => {
    const learnt = learnBpe(countTokens(tokenized), 4000);
    expect(formatBpeCodes(learnt)).toBe(read("codes.bpe"));
  });
});
