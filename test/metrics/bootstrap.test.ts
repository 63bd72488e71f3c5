import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { ConfigError, DataError } from "../../src/errors.ts";
import { corpusBleu } from "../../src/metrics/bleu.ts";
import { bootstrapInterval, pairedBootstrap } from "../../src/metrics/bootstrap.ts";
import { corpusChrf } from "../../src/metrics/chrf.ts";
import type { CorpusScore } from "../../src/metrics/segment-statistics.ts";

interface BootstrapFixture {
  /** Degraded lines 0, 4, 8 … of the first 300 shipped translations. */
  degraded: string[];
  pairs: {
    baseline: string;
    system: string;
    metric: "BLEU" | "chrF2";
    scores: [number, number];
    means: [number, number];
    half_widths: [number, number];
    p_value: number;
  }[];
}

function read(path: string): string {
  return readFileSync(new URL(path, import.meta.url), "utf8");
}

function readLines(path: string): string[] {
  return read(path).split("\n").slice(0, -1);
}

const fixture = JSON.parse(read("../fixtures/metrics/bootstrap.json")) as BootstrapFixture;
const reference = readLines("../../data/lohelp-en-de/dev.de").slice(0, 300);
const translations = readLines("../../pretrained/transformer-lohelp/dev.greedy.de").slice(0, 300);

function variant(name: string): string[] {
  const replaced: Record<string, (i: number) => boolean> = {
    system: () => false,
    worse: (i) => i % 4 === 0,
    even: (i) => i % 8 === 0,
    odd: (i) => i % 8 === 4,
  };
  return translations.map((line, i) => (replaced[name]!(i) ? fixture.degraded[i / 4]! : line));
}

function score(metric: "BLEU" | "chrF2", name: string): CorpusScore {
  const corpus = metric === "BLEU" ? corpusBleu : corpusChrf;
  return corpus(variant(name), [reference]);
}

describe("pairedBootstrap", () => {
  it.each(fixture.pairs)(
    "agrees with sacrebleu within the error of resampling: $metric, $baseline, $system",
    (golden) => {
      const baseline = score(golden.metric, golden.baseline);
      const system = score(golden.metric, golden.system);
      const compared = pairedBootstrap(baseline, system);
      expect(baseline.score).toBeCloseTo(golden.scores[0], 6);
      expect(system.score).toBeCloseTo(golden.scores[1], 6);
      expect(compared.difference).toBeCloseTo(golden.scores[1] - golden.scores[0], 6);
      [compared.baseline, compared.system].forEach((interval, i) => {
        // 1,000 resamples fix a mean to 3 % of the standard deviation and a half width to 6 %.
        const half = golden.half_widths[i]!;
        expect(Math.abs(interval.mean - golden.means[i]!)).toBeLessThan(0.1 * half);
        expect(Math.abs(interval.halfWidth - half)).toBeLessThan(0.15 * half);
      });
      expect(Math.abs(compared.pValue - golden.p_value)).toBeLessThan(0.03);
    },
  );

  it("has zero inside of the interval of a difference only where the sign is in doubt", () => {
    const clear = pairedBootstrap(score("BLEU", "worse"), score("BLEU", "system"));
    expect(clear.low).toBeGreaterThan(0);
    expect(clear.low).toBeLessThan(clear.difference);
    expect(clear.high).toBeGreaterThan(clear.difference);
    const doubtful = pairedBootstrap(score("BLEU", "even"), score("BLEU", "odd"));
    expect(doubtful.low).toBeLessThan(0);
    expect(doubtful.high).toBeGreaterThan(0);
  });

  it("finds no difference between equal systems", () => {
    const bleu = score("BLEU", "system");
    const { difference, low, high, pValue } = pairedBootstrap(bleu, bleu);
    expect({ difference, low, high, pValue }).toEqual({
      difference: 0,
      low: 0,
      high: 0,
      pValue: 1,
    });
  });

  it("counts its p-value as sacrebleu does", () => {
    // One segment: every resample is the whole text, so no difference exceeds the real one.
    const baseline = corpusChrf(["a b"], [["a b c"]]);
    const system = corpusChrf(["a b c"], [["a b c"]]);
    expect(pairedBootstrap(baseline, system, { samples: 99 }).pValue).toBe(1 / 100);
  });

  it("refuses scores that do not belong together", () => {
    const bleu = corpusBleu(["a", "b"], [["a", "b"]]);
    expect(() => pairedBootstrap(bleu, corpusBleu(["a"], [["a"]]))).toThrow(DataError);
    const lowercased = corpusBleu(["a", "b"], [["a", "b"]], { lowercase: true });
    expect(() => pairedBootstrap(bleu, lowercased)).toThrow(/same options/);
  });
});

describe("bootstrapInterval", () => {
  const bleu = score("BLEU", "system");

  it("depends on nothing but its seed", () => {
    expect(bootstrapInterval(bleu)).toEqual(bootstrapInterval(bleu));
    expect(bootstrapInterval(bleu, { seed: 1 })).not.toEqual(bootstrapInterval(bleu, { seed: 2 }));
  });

  it("signs with resamples and seed after the references", () => {
    expect(bootstrapInterval(bleu, { samples: 10, seed: 3 }).signature).toBe(
      "nrefs:1|bs:10|seed:3|case:mixed|eff:no|tok:13a|smooth:exp|version:tfjs-qat",
    );
  });

  it("collapses on a single segment", () => {
    const interval = bootstrapInterval(corpusBleu(["a b c d"], [["a b c e"]]), { samples: 5 });
    expect(interval.halfWidth).toBe(0);
    expect(interval.mean).toBeCloseTo(interval.low, 12);
  });

  it("refuses numbers of resamples that are none", () => {
    expect(() => bootstrapInterval(bleu, { samples: 0 })).toThrow(ConfigError);
    expect(() => bootstrapInterval(bleu, { seed: -1 })).toThrow(ConfigError);
  });
});
