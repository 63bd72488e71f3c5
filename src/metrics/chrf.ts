/**
 * chrF (Popović 2015) and chrF++ (Popović 2017): F-score of character and word n-grams, equal to
 * sacrebleu 2.6.0.
 *
 * chrF_β = 100 · (1 + β²) · P · R / (β² · P + R), P and R the means of precision and recall over
 * those orders of which both sides have an n-gram.
 */
import { ConfigError } from "../errors.ts";
import { splitWhitespace } from "../text/whitespace.ts";
import { checkCorpus, packStatistics, sumStatistics } from "./segment-statistics.ts";
import type { CorpusScore } from "./segment-statistics.ts";
import { formatSignature } from "./signature.ts";

/** How chrF is made; the defaults are sacrebleu's. */
export interface ChrfOptions {
  /** Longest character n-gram. Default 6. */
  readonly charOrder?: number;
  /** Longest word n-gram. Default 0; 2 is chrF++. */
  readonly wordOrder?: number;
  /** How much more recall counts than precision. Default 2. */
  readonly beta?: number;
  readonly lowercase?: boolean;
  /** Whitespace counts as characters. */
  readonly whitespace?: boolean;
  /** Averages the F-scores of all orders, with 1e-16 for what is undefined. */
  readonly epsSmoothing?: boolean;
  /** Version of this package for the signature. */
  readonly version?: string;
}

type ChrfSettings = Required<Omit<ChrfOptions, "version">>;

const EPSILON = 1e-16;
const ASCII_PUNCTUATION = new Set(Array.from("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"));

/**
 * chrF of a corpus.
 *
 * @param hypotheses one line a segment
 * @param references sets of references, each with one line a segment; the best one counts
 * @throws {DataError} for no lines or unequal counts
 * @throws {ConfigError} for orders or beta that cannot be used
 */
export function corpusChrf(
  hypotheses: readonly string[],
  references: readonly (readonly string[])[],
  options: ChrfOptions = {},
): CorpusScore {
  const settings = resolveSettings(options);
  checkCorpus("chrF", hypotheses, references);
  const rows = hypotheses.map((line, i) =>
    bestCounts(
      line,
      references.map((set) => set[i]!),
      settings,
    ),
  );
  const statistics = packStatistics(rows);
  const scoreOf = (totals: Float64Array): number => fScore(totals, settings);
  return {
    name: `chrF${settings.beta}${"+".repeat(settings.wordOrder)}`,
    score: scoreOf(sumStatistics(statistics)),
    signature: signatureOf(settings, references.length, options.version),
    statistics,
    scoreOf,
  };
}

/** chrF of one sentence. */
export function sentenceChrf(
  hypothesis: string,
  references: readonly string[],
  options: ChrfOptions = {},
): CorpusScore {
  return corpusChrf(
    [hypothesis],
    references.map((line) => [line]),
    options,
  );
}

function resolveSettings(options: ChrfOptions): ChrfSettings {
  const { charOrder = 6, wordOrder = 0, beta = 2 } = options;
  for (const [name, order] of Object.entries({ charOrder, wordOrder })) {
    if (!Number.isInteger(order) || order < 0) {
      throw new ConfigError(
        `chrF: expected a whole ${name} of at least 0, received ${order}. ` +
          "chrF uses 6 and 0, chrF++ 6 and 2.",
      );
    }
  }
  if (charOrder + wordOrder === 0 || !(beta > 0)) {
    throw new ConfigError(
      `chrF: expected an order and a beta above 0, received orders ${charOrder} and ` +
        `${wordOrder} and beta ${beta}. Leave them out for the usual ones.`,
    );
  }
  return {
    charOrder,
    wordOrder,
    beta,
    lowercase: options.lowercase ?? false,
    whitespace: options.whitespace ?? false,
    epsSmoothing: options.epsSmoothing ?? false,
  };
}

/** [in the hypothesis, in the reference, in both] by order, for the reference that scores best. */
function bestCounts(
  hypothesis: string,
  references: readonly string[],
  settings: ChrfSettings,
): number[] {
  const ours = allNgrams(hypothesis, settings);
  let best: number[] = [];
  let bestScore = -1;
  for (const reference of references) {
    const counts = allNgrams(reference, settings).flatMap((theirs, i) => overlap(ours[i]!, theirs));
    const score = fScore(counts, settings);
    if (score > bestScore) {
      bestScore = score;
      best = counts;
    }
  }
  return best;
}

function overlap(
  ours: ReadonlyMap<string, number>,
  theirs: ReadonlyMap<string, number>,
): [number, number, number] {
  let ourCount = 0;
  let matches = 0;
  for (const [ngram, count] of ours) {
    ourCount += count;
    matches += Math.min(count, theirs.get(ngram) ?? 0);
  }
  let theirCount = 0;
  for (const count of theirs.values()) theirCount += count;
  return [theirCount === 0 ? 0 : ourCount, theirCount, matches];
}

function allNgrams(line: string, settings: ChrfSettings): Map<string, number>[] {
  const text = settings.lowercase ? line.toLowerCase() : line;
  const characters = Array.from(settings.whitespace ? text : splitWhitespace(text).join(""));
  const ngrams: Map<string, number>[] = [];
  for (let n = 1; n <= settings.charOrder; n++) ngrams.push(countNgrams(characters, n, ""));
  const words = settings.wordOrder > 0 ? splitPunctuation(text) : [];
  for (let n = 1; n <= settings.wordOrder; n++) ngrams.push(countNgrams(words, n, " "));
  return ngrams;
}

function countNgrams(units: readonly string[], n: number, glue: string): Map<string, number> {
  const counts = new Map<string, number>();
  for (let i = 0; i + n <= units.length; i++) {
    let ngram = units[i]!;
    for (let k = 1; k < n; k++) ngram += glue + units[i + k]!;
    counts.set(ngram, (counts.get(ngram) ?? 0) + 1);
  }
  return counts;
}

/** Words, with one ASCII punctuation mark split off: the last character, or else the first. */
function splitPunctuation(text: string): string[] {
  return splitWhitespace(text).flatMap((word) => {
    const first = word[0]!;
    const last = word[word.length - 1]!;
    if (word.length === 1) return [word];
    if (ASCII_PUNCTUATION.has(last)) return [word.slice(0, -1), last];
    return ASCII_PUNCTUATION.has(first) ? [first, word.slice(1)] : [word];
  });
}

function fScore(counts: ArrayLike<number>, settings: ChrfSettings): number {
  const factor = settings.beta ** 2;
  const orders = settings.charOrder + settings.wordOrder;
  let sumOfScores = 0;
  let precisionSum = 0;
  let recallSum = 0;
  let effectiveOrders = 0;
  for (let i = 0; i < orders; i++) {
    const ours = counts[3 * i]!;
    const theirs = counts[3 * i + 1]!;
    const matches = counts[3 * i + 2]!;
    const precision = ours > 0 ? matches / ours : EPSILON;
    const recall = theirs > 0 ? matches / theirs : EPSILON;
    const denominator = factor * precision + recall;
    sumOfScores += denominator > 0 ? ((1 + factor) * precision * recall) / denominator : EPSILON;
    if (ours > 0 && theirs > 0) {
      precisionSum += precision;
      recallSum += recall;
      effectiveOrders++;
    }
  }
  if (settings.epsSmoothing) return (100 * sumOfScores) / orders;
  if (precisionSum + recallSum === 0) return 0;
  const precision = precisionSum / effectiveOrders;
  const recall = recallSum / effectiveOrders;
  return (100 * (1 + factor) * precision * recall) / (factor * precision + recall);
}

function signatureOf(
  settings: ChrfSettings,
  referenceSets: number,
  version: string | undefined,
): string {
  return formatSignature(
    [
      ["nrefs", referenceSets],
      ["case", settings.lowercase ? "lc" : "mixed"],
      ["eff", !settings.epsSmoothing],
      ["nc", settings.charOrder],
      ["nw", settings.wordOrder],
      ["space", settings.whitespace],
    ],
    version,
  );
}
