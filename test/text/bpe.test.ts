import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ConfigError, DataError } from "../../src/errors.ts";
import { learnBpe } from "../../src/text/bpe-learn.ts";
import { Bpe, formatBpeCodes, parseBpeCodes, undoBpe } from "../../src/text/bpe.ts";
import { countTokens, Vocabulary } from "../../src/text/vocabulary.ts";
import { applyChanges } from "../helpers/line-changes.ts";
import type { LineChanges } from "../helpers/line-changes.ts";

interface SubwordsFixture {
  plain: string[];
  vocabulary: LineChanges;
  "version_0.1": LineChanges;
  merges_500: LineChanges;
  separator: { value: string; lines: string[] };
  vocabulary_700: LineChanges;
  learnt: Record<string, string>;
  repetitive: { words: Record<string, number>; codes: string };
}

function read(path: string): string {
  return readFileSync(new URL(path, import.meta.url), "utf8");
}

const fixture = JSON.parse(read("../fixtures/text/subwords.json")) as SubwordsFixture;
const moses = JSON.parse(read("../fixtures/text/moses.json")) as {
  tokenized: { de: { plain: string[]; dashes: LineChanges } };
};
const { plain: plainTokens, dashes } = moses.tokenized.de;
const tokenized = applyChanges(plainTokens, dashes);
const codesText = read("../../data/lohelp-en-de/codes.bpe");
const codes = parseBpeCodes(codesText, "codes.bpe");

function segmentAll(bpe: Bpe): string[] {
  return tokenized.map((line) => bpe.segment(line).join(" "));
}

describe("Bpe", () => {
  it("equals subword-nmt", () => {
    expect(segmentAll(new Bpe(codes))).toEqual(fixture.plain);
  });

  it("equals subword-nmt with a vocabulary", () => {
    const file = Vocabulary.parse(read("../../data/lohelp-en-de/vocab.txt"), "vocab.txt");
    const bpe = new Bpe(codes, { vocabulary: new Set(file.fileTokens) });
    expect(segmentAll(bpe)).toEqual(applyChanges(fixture.plain, fixture.vocabulary));
    const few = new Bpe(codes, { vocabulary: new Set(file.fileTokens.slice(0, 700)) });
    expect(segmentAll(few)).toEqual(applyChanges(fixture.plain, fixture.vocabulary_700));
  });

  it("equals subword-nmt with codes of version 0.1", () => {
    const old = parseBpeCodes(codesText.slice(codesText.indexOf("\n") + 1), "old.bpe");
    expect(old.version).toBe("0.1");
    expect(segmentAll(new Bpe(old))).toEqual(applyChanges(fixture.plain, fixture["version_0.1"]));
  });

  it("equals subword-nmt with a limit of merges", () => {
    const bpe = new Bpe(parseBpeCodes(codesText, "codes.bpe", 500));
    expect(segmentAll(bpe)).toEqual(applyChanges(fixture.plain, fixture.merges_500));
  });

  it("equals subword-nmt with another separator", () => {
    const { value, lines } = fixture.separator;
    const bpe = new Bpe(codes, { separator: value });
    expect(segmentAll(bpe).slice(0, lines.length)).toEqual(lines);
  });

  it("is undone for every line of words", () => {
    const bpe = new Bpe(codes);
    const word = fc.string({ unit: "grapheme", minLength: 1 }).filter((w) => !/[\s@]/u.test(w));
    fc.assert(
      fc.property(fc.array(word, { minLength: 1 }), (words) => {
        expect(undoBpe(bpe.segment(words.join(" ")).join(" "))).toBe(words.join(" "));
      }),
      { seed: 1, numRuns: 200 },
    );
  });

  it("drops a mark at the end of a line", () => {
    expect(undoBpe("Haus@@ tür auf@@")).toBe("Haustür auf");
  });
});

describe("parseBpeCodes", () => {
  it("writes what it reads", () => {
    expect(codes.version).toBe("0.2");
    expect(codes.merges).toHaveLength(4000);
    expect(formatBpeCodes(codes)).toBe(codesText);
  });

  it("takes 0.2.0 for 0.2", () => {
    expect(parseBpeCodes("#version: 0.2.0\na b\n", "x").version).toBe("0.2");
  });

  it.each([
    ["#version: 0.3\na b\n", /line 1: expected version 0\.1 or 0\.2, received "0\.3"/],
    ["#version: 0.2\na b\nabc\n", /line 3: expected two symbols with a blank between/],
    ["#version: 0.2\na b c\n", /line 2: expected two symbols/],
    ["", /line 1: expected two symbols/],
  ])("refuses %j", (text, message) => {
    expect(() => parseBpeCodes(text, "codes.bpe")).toThrow(DataError);
    expect(() => parseBpeCodes(text, "codes.bpe")).toThrow(message);
  });
});

describe("learnBpe", () => {
  for (const [name, expected] of Object.entries(fixture.learnt)) {
    it(`equals subword-nmt: merges and least frequency ${name}`, () => {
      const [merges, minFrequency] = name.split(" ").map(Number);
      const learnt = learnBpe(countTokens(tokenized), merges!, minFrequency);
      expect(formatBpeCodes(learnt)).toBe(expected);
    });
  }

  it("equals subword-nmt where pairs overlap, tie and come back", () => {
    const { words, codes: expected } = fixture.repetitive;
    const learnt = learnBpe(new Map(Object.entries(words)), 3000, 1);
    expect(formatBpeCodes(learnt)).toBe(expected);
  });

  it("refuses numbers below one", () => {
    expect(() => learnBpe(new Map([["ab", 5]]), 0)).toThrow(ConfigError);
    expect(() => learnBpe(new Map([["ab", 5]]), 9, 0)).toThrow(/minFrequency, received 0/);
    expect(() => learnBpe(new Map([["a b", 5]]), 9)).toThrow(/words without blanks/);
  });

  it("refuses a text without pairs of letters", () => {
    expect(() => learnBpe(new Map([["a", 5]]), 10)).toThrow(/at least two letters/);
    expect(() => learnBpe(new Map(), 10)).toThrow(DataError);
  });
});
