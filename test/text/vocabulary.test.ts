import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { ConfigError, DataError } from "../../src/errors.ts";
import { countTokens, mostFrequentTokens, Vocabulary } from "../../src/text/vocabulary.ts";

describe("Vocabulary", () => {
  it("numbers the special tokens of the shipped vocabulary as NeurST does", () => {
    const url = new URL("../../data/lohelp-en-de/vocab.txt", import.meta.url);
    const text = readFileSync(url, "utf8");
    const vocabulary = Vocabulary.parse(text, "vocab.txt");
    const { size, unkId, bosId, eosId } = vocabulary;
    expect({ size, unkId, bosId, eosId }).toEqual({
      size: 4139,
      unkId: 4136,
      bosId: 4137,
      eosId: 4138,
    });
    expect(vocabulary.tokenOf(eosId)).toBe("<SEQ_END>");
    expect(vocabulary.toText()).toBe(text);
  });

  it("reads the first column and either end of line", () => {
    const vocabulary = Vocabulary.parse("the 12\r\nof\t7\r\n", "v");
    expect(vocabulary.fileTokens).toEqual(["the", "of"]);
    expect(vocabulary.idOf("of")).toBe(1);
    expect(vocabulary.idOf("nothing")).toBe(vocabulary.unkId);
    expect(vocabulary.has("nothing")).toBe(false);
  });

  it("takes quotes away only where every line has them", () => {
    expect(Vocabulary.parse("'the_'\n'of_'\n", "v").fileTokens).toEqual(["the_", "of_"]);
    expect(Vocabulary.parse("'x'\n''\n'\nx\n", "v").fileTokens).toEqual(["'x'", "''", "'", "x"]);
  });

  it("renames special tokens that the file has already", () => {
    const vocabulary = Vocabulary.parse("<UNK>\n<SEQ_END>\na\n", "v");
    expect(vocabulary.size).toBe(6);
    expect(vocabulary.idOf("<UNK>")).toBe(0);
    expect(vocabulary.tokenOf(vocabulary.unkId)).toBe("<UNK>0");
    expect(vocabulary.tokenOf(vocabulary.bosId)).toBe("<SEQ_BEG>");
    expect(vocabulary.tokenOf(vocabulary.eosId)).toBe("<SEQ_END>0");
  });

  it.each([
    ["a\nb\na\n", /v, line 3: expected each token once, received "a" again \(first in line 1\)/],
    ["a\n\nb\n", /v, line 2: expected a token, received an empty line/],
    ["", /v: expected at least one token, received none/],
    ["\n", /v, line 1: expected a token/],
  ])("refuses %j", (text, message) => {
    expect(() => Vocabulary.parse(text, "v")).toThrow(DataError);
    expect(() => Vocabulary.parse(text, "v")).toThrow(message);
  });

  it("refuses numbers that are no ids", () => {
    const vocabulary = new Vocabulary(["a"], "v");
    expect(() => vocabulary.tokenOf(4)).toThrow(/expected an id from 0 to 3, received 4/);
    expect(() => vocabulary.tokenOf(-1)).toThrow(DataError);
  });
});

describe("mostFrequentTokens", () => {
  const counts = countTokens(["b a c", "a c", " d  a "]);

  it("orders by count, then by first occurrence", () => {
    expect(mostFrequentTokens(counts)).toEqual(["a", "c", "b", "d"]);
  });

  it("keeps to its limits", () => {
    expect(mostFrequentTokens(counts, { minFrequency: 2 })).toEqual(["a", "c"]);
    expect(mostFrequentTokens(counts, { maxSize: 3 })).toEqual(["a", "c", "b"]);
    expect(() => mostFrequentTokens(counts, { maxSize: 0 })).toThrow(ConfigError);
    expect(() => mostFrequentTokens(counts, { minFrequency: NaN })).toThrow(/min_frequency/);
  });
});
