import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { MosesDetokenizer } from "../../src/text/moses-detokenize.ts";
import { MosesPunctuationNormalizer } from "../../src/text/moses-normalize.ts";
import { MosesTokenizer } from "../../src/text/moses-tokenize.ts";
import type { MosesTokenizerOptions } from "../../src/text/moses-tokenize.ts";
import { applyChanges } from "../helpers/line-changes.ts";
import type { LineChanges } from "../helpers/line-changes.ts";

interface MosesFixture {
  source: string;
  lines: string[];
  tokenized: Record<
    string,
    { plain: string[]; dashes: LineChanges; escape: LineChanges; both: LineChanges }
  >;
  other_languages: Record<string, LineChanges>;
  detokenized: Record<string, Record<string, LineChanges>>;
  normalized: Record<string, LineChanges>;
}

const fixture = JSON.parse(
  readFileSync(new URL("../fixtures/text/moses.json", import.meta.url), "utf8"),
) as MosesFixture;
const { lines } = fixture;
/** Words that keep a full stop, by language and next word. */
const prefixes = JSON.parse(
  readFileSync(new URL("../fixtures/text/prefixes.json", import.meta.url), "utf8"),
) as { words: string[]; kept: Record<string, Record<string, string[]>> };

const VARIANTS: Record<"plain" | "dashes" | "escape" | "both", MosesTokenizerOptions> = {
  plain: { escape: false },
  dashes: { aggressiveDashSplits: true, escape: false },
  escape: {},
  both: { aggressiveDashSplits: true },
};

function expectedTokens(language: string, variant: keyof typeof VARIANTS): string[] {
  const { plain, ...changes } = fixture.tokenized[language]!;
  return variant === "plain" ? plain : applyChanges(plain, changes[variant]);
}

describe("MosesTokenizer", () => {
  it("is tested on at least 300 lines", () => {
    expect(lines.length).toBeGreaterThanOrEqual(300);
  });

  for (const language of ["en", "de"]) {
    for (const [variant, options] of Object.entries(VARIANTS)) {
      it(`equals sacremoses: ${language}, ${variant}`, () => {
        const tokenizer = new MosesTokenizer(language, options);
        const expected = expectedTokens(language, variant as keyof typeof VARIANTS);
        expect(lines.map((line) => tokenizer.tokenize(line))).toEqual(expected);
      });
    }
  }

  for (const [language, changes] of Object.entries(fixture.other_languages)) {
    it(`equals sacremoses with English abbreviations: ${language}`, () => {
      const tokenizer = new MosesTokenizer(language, { escape: false });
      const expected = applyChanges(expectedTokens("en", "plain"), changes);
      expect(lines.map((line) => tokenizer.tokenize(line))).toEqual(expected);
    });
  }

  it.each(Object.keys(prefixes.kept))("keeps the full stops that sacremoses keeps: %s", (code) => {
    const tokenizer = new MosesTokenizer(code);
    for (const [next, expected] of Object.entries(prefixes.kept[code]!)) {
      const kept = prefixes.words.filter((word) => {
        return tokenizer.tokenize(`${word}. ${next}`) === `${word}. ${next}`;
      });
      expect(kept).toEqual(expected);
    }
  });

  it("leaves nothing of blank lines", () => {
    expect(new MosesTokenizer("en").tokenize(" \u00a0\t")).toBe("");
  });
});

describe("MosesDetokenizer", () => {
  const sources: Record<string, (language: string) => string[]> = {
    plain: (language) => expectedTokens(language in fixture.tokenized ? language : "en", "plain"),
    both: (language) => expectedTokens(language, "both"),
    raw: () => lines,
  };

  for (const [language, variants] of Object.entries(fixture.detokenized)) {
    for (const [variant, changes] of Object.entries(variants)) {
      it(`equals sacremoses: ${language}, ${variant}`, () => {
        const detokenizer = new MosesDetokenizer(language);
        const tokens = sources[variant]!(language);
        const texts = tokens.map((line) => detokenizer.detokenize(line));
        expect(texts).toEqual(applyChanges(lines, changes));
      });
    }
  }

  it("joins marked hyphens", () => {
    const detokenizer = new MosesDetokenizer("de");
    expect(detokenizer.detokenize("die E @-@ Mail @-@ Adresse .")).toBe("die E-Mail-Adresse.");
  });
});

describe("MosesPunctuationNormalizer", () => {
  for (const [language, changes] of Object.entries(fixture.normalized)) {
    it(`equals sacremoses: ${language}`, () => {
      const normalizer = new MosesPunctuationNormalizer(language);
      const normalized = lines.map((line) => normalizer.normalize(line));
      expect(normalized).toEqual(applyChanges(lines, changes));
    });
  }
});
