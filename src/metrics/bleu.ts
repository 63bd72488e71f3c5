/**
 * BLEU (Papineni et al. 2002) of a corpus or a sentence, equal to sacrebleu 2.6.0.
 *
 * BLEU = BP · exp(1/N · Σ log p_n), p_n the share of the hypothesis' n-grams that a reference has
 * too, BP = exp(1 − r/h) where the hypothesis is shorter than the closest references.
 */
import { ConfigError, UnknownNameError } from "../errors.ts";
import { splitWhitespace, stripTrailingWhitespace } from "../text/whitespace.ts";
import { checkCorpus, packStatistics, sumStatistics } from "./segment-statistics.ts";
import type { CorpusScore } from "./segment-statistics.ts";
import { formatSignature } from "./signature.ts";
import { tokenize13a } from "./tokenize-13a.ts";
import { tokenizeIntl } from "./tokenize-intl.ts";
import { tokenizeZh } from "./tokenize-zh.ts";

const TOKENIZE = {
  "13a": tokenize13a,
  intl: tokenizeIntl,
  char: (line: string) => Array.from(line).join(" "),
  zh: tokenizeZh,
  none: (line: string) => line,
} as const;

/** Name of a tokenizer for BLEU. */
export type BleuTokenizer = keyof typeof TOKENIZE;

/** Names of the tokenizers for BLEU. */
export const BLEU_TOKENIZERS = Object.keys(TOKENIZE) as readonly BleuTokenizer[];

/** Default of the value of each smoothing; null: it has none (Chen and Cherry 2014). */
const SMOOTHING_VALUES = { exp: null, floor: 0.1, "add-k": 1, none: null } as const;

/** What replaces a precision of zero. */
export type BleuSmoothing = keyof typeof SMOOTHING_VALUES;

/** Names of the smoothings. */
export const BLEU_SMOOTHINGS = Object.keys(SMOOTHING_VALUES) as readonly BleuSmoothing[];

/** How BLEU is made; the defaults are sacrebleu's. */
export interface BleuOptions {
  /** Default `13a`. */
  readonly tokenize?: BleuTokenizer;
  readonly lowercase?: boolean;
  /** Default `exp`. */
  readonly smoothMethod?: BleuSmoothing;
  /** For `floor` (default 0.1) and `add-k` (default 1). */
  readonly smoothValue?: number;
  /** Leaves out orders of which the hypothesis has no n-gram: for single sentences. */
  readonly effectiveOrder?: boolean;
  /** Longest n-gram. Default 4. */
  readonly maxNgramOrder?: number;
  /** Version of this package for the signature. */
  readonly version?: string;
}

/** BLEU with its parts. */
export interface BleuScore extends CorpusScore {
  /** Smoothed, in per cent, one for each order. */
  readonly precisions: readonly number[];
  readonly brevityPenalty: number;
  /** In tokens. */
  readonly hypothesisLength: number;
  /** Of the closest references, in tokens. */
  readonly referenceLength: number;
}

interface BleuSettings {
  readonly tokenize: BleuTokenizer;
  readonly lowercase: boolean;
  readonly smoothMethod: BleuSmoothing;
  readonly smoothValue: number | null;
  readonly effectiveOrder: boolean;
  readonly order: number;
}

/**
 * BLEU of a corpus.
 *
 * @param hypotheses one line a segment
 * @param references sets of references, each with one line a segment
 * @throws {DataError} for no lines or unequal counts
 * @throws {UnknownNameError} for an unknown tokenizer or smoothing
 */
export function corpusBleu(
  hypotheses: readonly string[],
  references: readonly (readonly string[])[],
  options: BleuOptions = {},
): BleuScore {
  const settings = resolveSettings(options);
  checkCorpus("BLEU", hypotheses, references);
  const prepare = (line: string): string[] => tokensOf(line, settings);
  const rows = hypotheses.map((line, i) =>
    segmentCounts(
      prepare(line),
      references.map((set) => prepare(set[i]!)),
      settings.order,
    ),
  );
  const statistics = packStatistics(rows);
  const parts = bleuOfTotals(sumStatistics(statistics), settings);
  return {
    name: "BLEU",
    ...parts,
    signature: signatureOf(settings, references.length, options.version),
    statistics,
    scoreOf: (totals) => bleuOfTotals(totals, settings).score,
  };
}

/** BLEU of one sentence, by default with the effective order. */
export function sentenceBleu(
  hypothesis: string,
  references: readonly string[],
  options: BleuOptions = {},
): BleuScore {
  const sets = references.map((line) => [line]);
  return corpusBleu([hypothesis], sets, { effectiveOrder: true, ...options });
}

function resolveSettings(options: BleuOptions): BleuSettings {
  const { tokenize = "13a", smoothMethod = "exp", maxNgramOrder: order = 4 } = options;
  if (!Object.hasOwn(TOKENIZE, tokenize)) {
    throw new UnknownNameError("BLEU", "tokenizer", tokenize, BLEU_TOKENIZERS);
  }
  if (!Object.hasOwn(SMOOTHING_VALUES, smoothMethod)) {
    throw new UnknownNameError("BLEU", "smoothing", smoothMethod, BLEU_SMOOTHINGS);
  }
  if (!Number.isInteger(order) || order < 1) {
    throw new ConfigError(
      `BLEU: expected a whole n-gram order of at least 1, received ${order}. The usual one is 4.`,
    );
  }
  const fallback = SMOOTHING_VALUES[smoothMethod];
  return {
    tokenize,
    lowercase: options.lowercase ?? false,
    smoothMethod,
    smoothValue: fallback === null ? null : (options.smoothValue ?? fallback),
    effectiveOrder: options.effectiveOrder ?? false,
    order,
  };
}

function tokensOf(line: string, settings: BleuSettings): string[] {
  const text = settings.lowercase ? line.toLowerCase() : line;
  return splitWhitespace(TOKENIZE[settings.tokenize](stripTrailingWhitespace(text)));
}

/** [hypothesis length, reference length, matches by order, n-grams by order]. */
function segmentCounts(
  hypothesis: readonly string[],
  references: readonly (readonly string[])[],
  order: number,
): number[] {
  const matches: number[] = [];
  const totals: number[] = [];
  for (let n = 1; n <= order; n++) {
    const wanted = new Map<string, number>();
    for (const reference of references) {
      for (const [ngram, count] of countNgrams(reference, n)) {
        wanted.set(ngram, Math.max(wanted.get(ngram) ?? 0, count));
      }
    }
    let match = 0;
    for (const [ngram, count] of countNgrams(hypothesis, n)) {
      match += Math.min(count, wanted.get(ngram) ?? 0);
    }
    matches.push(match);
    totals.push(Math.max(0, hypothesis.length - n + 1));
  }
  const lengths = references.map((reference) => reference.length);
  return [hypothesis.length, closestLength(hypothesis.length, lengths), ...matches, ...totals];
}

function countNgrams(tokens: readonly string[], n: number): Map<string, number> {
  const counts = new Map<string, number>();
  for (let i = 0; i + n <= tokens.length; i++) {
    let ngram = tokens[i]!;
    for (let k = 1; k < n; k++) ngram += " " + tokens[i + k]!;
    counts.set(ngram, (counts.get(ngram) ?? 0) + 1);
  }
  return counts;
}

/** The closest length; of two equally close ones the shorter. */
function closestLength(length: number, candidates: readonly number[]): number {
  return candidates.reduce((best, candidate) => {
    const gain = Math.abs(length - best) - Math.abs(length - candidate);
    return gain > 0 || (gain === 0 && candidate < best) ? candidate : best;
  });
}

interface BleuParts {
  readonly score: number;
  readonly precisions: number[];
  readonly brevityPenalty: number;
  readonly hypothesisLength: number;
  readonly referenceLength: number;
}

function bleuOfTotals(totals: Float64Array, settings: BleuSettings): BleuParts {
  const { order, smoothMethod, smoothValue } = settings;
  const hypothesisLength = totals[0]!;
  const referenceLength = totals[1]!;
  const brevityPenalty = brevity(hypothesisLength, referenceLength);
  const precisions = new Array<number>(order).fill(0);
  const parts = { precisions, brevityPenalty, hypothesisLength, referenceLength };
  if (!totals.subarray(2, 2 + order).some((count) => count > 0)) return { score: 0, ...parts };
  let misses = 0;
  let usedOrder = order;
  for (let n = 1; n <= order; n++) {
    const added = smoothMethod === "add-k" && n > 1 ? smoothValue! : 0;
    const correct = totals[1 + n]! + added;
    const total = totals[1 + order + n]! + added;
    if (total === 0) break;
    if (settings.effectiveOrder) usedOrder = n;
    if (correct > 0) {
      precisions[n - 1] = (100 * correct) / total;
    } else if (smoothMethod === "exp") {
      misses++;
      precisions[n - 1] = 100 / (2 ** misses * total);
    } else if (smoothMethod === "floor") {
      precisions[n - 1] = (100 * smoothValue!) / total;
    }
  }
  const used = precisions.slice(0, usedOrder);
  const logMean = used.reduce((sum, p) => sum + Math.log(p), 0) / usedOrder;
  return { score: brevityPenalty * Math.exp(logMean), ...parts };
}

function brevity(hypothesisLength: number, referenceLength: number): number {
  if (hypothesisLength >= referenceLength) return 1;
  return hypothesisLength === 0 ? 0 : Math.exp(1 - referenceLength / hypothesisLength);
}

function signatureOf(
  settings: BleuSettings,
  referenceSets: number,
  version: string | undefined,
): string {
  const { smoothMethod, smoothValue } = settings;
  const value = smoothValue === null ? "" : `[${smoothValue.toFixed(2)}]`;
  return formatSignature(
    [
      ["nrefs", referenceSets],
      ["case", settings.lowercase ? "lc" : "mixed"],
      ["eff", settings.effectiveOrder],
      ["tok", settings.tokenize],
      ["smooth", smoothMethod + value],
    ],
    version,
  );
}
