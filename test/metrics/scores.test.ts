import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { ConfigError, DataError, UnknownNameError } from "../../src/errors.ts";
import { corpusBleu, sentenceBleu } from "../../src/metrics/bleu.ts";
import type { BleuOptions, BleuTokenizer } from "../../src/metrics/bleu.ts";
import { corpusChrf, sentenceChrf } from "../../src/metrics/chrf.ts";
import { sumStatistics } from "../../src/metrics/segment-statistics.ts";
import { tokenize13a } from "../../src/metrics/tokenize-13a.ts";
import { tokenizeIntl } from "../../src/metrics/tokenize-intl.ts";
import { tokenizeZh } from "../../src/metrics/tokenize-zh.ts";
import { stripTrailingWhitespace } from "../../src/text/whitespace.ts";
import { applyChanges } from "../helpers/line-changes.ts";
import type { LineChanges } from "../helpers/line-changes.ts";

/** One score of sacrebleu on the lines `from` to `to` and the first `sets` references. */
interface Golden {
  from: number;
  to: number;
  sets: number;
  options: Record<string, string | number | boolean | null>;
  score: number;
  signature: string;
  precisions: number[];
  bp: number;
  lengths: [number, number];
  name: string;
}

interface ScoresFixture {
  hypotheses: LineChanges;
  second_references: LineChanges;
  tokens: Record<"13a" | "intl" | "zh" | "char", LineChanges>;
  bleu: Golden[];
  chrf: Golden[];
}

function read(path: string): string {
  return readFileSync(new URL(path, import.meta.url), "utf8");
}

function readLines(path: string): string[] {
  return read(path).split("\n").slice(0, -1);
}

const fixture = JSON.parse(read("../fixtures/metrics/scores.json")) as ScoresFixture;
const { lines } = JSON.parse(read("../fixtures/text/moses.json")) as { lines: string[] };
const hypotheses = applyChanges(lines, fixture.hypotheses);
const references = [lines, applyChanges(lines, fixture.second_references)];

/** sacrebleu's names of options in the style of this package; absent where null. */
function optionsOf(golden: Golden): Record<string, string | number | boolean> {
  const options: Record<string, string | number | boolean> = {};
  for (const [name, value] of Object.entries(golden.options)) {
    const camel = name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
    if (value !== null) options[camel] = value;
  }
  return options;
}

function partOf(golden: Golden): [string[], string[][]] {
  const sets = references.slice(0, golden.sets);
  return [
    hypotheses.slice(golden.from, golden.to),
    sets.map((set) => set.slice(golden.from, golden.to)),
  ];
}

const ours = (signature: string): string => signature.replace("2.6.0", "tfjs-qat-0.1.0");

describe("tokenizers of BLEU", () => {
  it.each([
    ["13a", tokenize13a],
    ["intl", tokenizeIntl],
    ["zh", tokenizeZh],
  ] as const)("%s equals sacrebleu", (name, tokenize) => {
    const tokens = lines.map((line) => tokenize(stripTrailingWhitespace(line)));
    expect(tokens).toEqual(applyChanges(lines, fixture.tokens[name]));
  });
});

describe("corpusBleu", () => {
  it("equals sacrebleu in every golden score", () => {
    expect(fixture.bleu.length).toBeGreaterThan(100);
    for (const golden of fixture.bleu) {
      const what = JSON.stringify([golden.from, golden.to, golden.sets, golden.options]);
      const bleu = corpusBleu(...partOf(golden), { ...optionsOf(golden), version: "0.1.0" });
      expect(Math.abs(bleu.score - golden.score), what).toBeLessThan(1e-6);
      expect(Math.abs(bleu.brevityPenalty - golden.bp), what).toBeLessThan(1e-9);
      golden.precisions.forEach((precision, i) => {
        expect(Math.abs(bleu.precisions[i]! - precision), what).toBeLessThan(1e-6);
      });
      expect([bleu.hypothesisLength, bleu.referenceLength], what).toEqual(golden.lengths);
      expect(bleu.signature, what).toBe(ours(golden.signature));
    }
  });

  it("gives the shipped translations the scores of their README", () => {
    const score = (set: string): string => {
      const output = readLines(`../../pretrained/transformer-lohelp/${set}.greedy.de`);
      const reference = readLines(`../../data/lohelp-en-de/${set}.de`);
      return corpusBleu(output, [reference]).score.toFixed(2);
    };
    expect(score("dev")).toBe("33.79");
    expect(score("test")).toBe("25.39");
  });

  it("scores equal text 100 and disjoint or empty text 0", () => {
    expect(corpusBleu(["a b c d e"], [["a b c d e"]]).score).toBeCloseTo(100, 9);
    expect(corpusBleu(["a b"], [["c d"]]).score).toBe(0);
    const empty = corpusBleu(["", ""], [["a b", "c"]]);
    expect([empty.score, empty.brevityPenalty, empty.hypothesisLength]).toEqual([0, 0, 0]);
    expect(corpusBleu([""], [[""]]).score).toBe(0);
  });

  it("scores summed statistics as it scores the text, and leaves them as they are", () => {
    const bleu = corpusBleu(hypotheses, references, { smoothMethod: "add-k" });
    const totals = sumStatistics(bleu.statistics);
    expect(bleu.scoreOf(totals)).toBe(bleu.score);
    expect(bleu.scoreOf(totals)).toBe(bleu.score);
  });

  it("signs without a version where none is given", () => {
    expect(corpusBleu(["a"], [["a"]]).signature).toBe(
      "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:tfjs-qat",
    );
    expect(sentenceBleu("a", ["a", "b"]).signature).toContain("nrefs:2|case:mixed|eff:yes|");
  });

  it("refuses missing and unequal lines", () => {
    expect(() => corpusBleu([], [[]])).toThrow(DataError);
    expect(() => corpusBleu(["a"], [])).toThrow(/at least one set of references/);
    expect(() => corpusBleu(["a", "b"], [["a", "b"], ["a"]])).toThrow(
      /expected 2 lines in reference set 2, one for each hypothesis, received 1/,
    );
  });

  it("refuses unknown options", () => {
    const tokenize = "13b" as BleuTokenizer;
    expect(() => corpusBleu(["a"], [["a"]], { tokenize })).toThrow(UnknownNameError);
    const inherited = { smoothMethod: "toString" } as unknown as BleuOptions;
    expect(() => corpusBleu(["a"], [["a"]], inherited)).toThrow(UnknownNameError);
    expect(() => corpusBleu(["a"], [["a"]], { maxNgramOrder: 0 })).toThrow(ConfigError);
  });
});

describe("corpusChrf", () => {
  it("equals sacrebleu in every golden score", () => {
    expect(fixture.chrf.length).toBeGreaterThan(50);
    for (const golden of fixture.chrf) {
      const what = JSON.stringify([golden.from, golden.to, golden.sets, golden.options]);
      const chrf = corpusChrf(...partOf(golden), { ...optionsOf(golden), version: "0.1.0" });
      expect(Math.abs(chrf.score - golden.score), what).toBeLessThan(1e-6);
      expect(chrf.signature, what).toBe(ours(golden.signature));
      expect(chrf.name, what).toBe(golden.name);
    }
  });

  it("scores equal text 100 and empty text 0", () => {
    expect(sentenceChrf("ein Satz", ["ein Satz"]).score).toBeCloseTo(100, 9);
    expect(corpusChrf([""], [["a b"]]).score).toBe(0);
    expect(corpusChrf([""], [[""]]).score).toBe(0);
  });

  it("refuses what it cannot score", () => {
    expect(() => corpusChrf(["a"], [["a", "b"]])).toThrow(DataError);
    expect(() => corpusChrf(["a"], [["a"]], { charOrder: 1.5 })).toThrow(ConfigError);
    expect(() => corpusChrf(["a"], [["a"]], { charOrder: 0 })).toThrow(ConfigError);
    expect(() => corpusChrf(["a"], [["a"]], { beta: NaN })).toThrow(/beta above 0/);
  });
});
