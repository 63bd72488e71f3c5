/**
 * Bootstrap resampling of corpus scores (Koehn 2004): how far a score, or the difference of two
 * systems on the same text, depends on which sentences were chosen.
 *
 * Segments are drawn with replacement, their statistics summed and scored again, with sacrebleu's
 * choice of percentiles and its p-value. The draws come from this package's generator, so they are
 * not those of numpy's: figures agree with sacrebleu's within the error of resampling.
 */
import { RandomStream } from "../core/random.ts";
import { ConfigError, DataError } from "../errors.ts";
import type { CorpusScore, SegmentStatistics } from "./segment-statistics.ts";
import { withBootstrap } from "./signature.ts";

/** How to resample; the defaults are sacrebleu's numbers. */
export interface BootstrapOptions {
  /** Number of resamples. Default 1000. */
  readonly samples?: number;
  /** Default 12345. */
  readonly seed?: number;
}

/** Where 95 % of the resampled scores lie. */
export interface BootstrapInterval {
  /** Mean of the resampled scores. */
  readonly mean: number;
  readonly low: number;
  readonly high: number;
  /** Half of the interval: what sacrebleu writes after ±. */
  readonly halfWidth: number;
  /** The score's signature with the number of resamples and the seed. */
  readonly signature: string;
}

/** Two systems compared on the same resamples. */
export interface PairedComparison {
  /** Score of the system minus that of the baseline, on the whole text. */
  readonly difference: number;
  /** Bounds of 95 % of the resampled differences. */
  readonly low: number;
  readonly high: number;
  /**
   * (1 + number of resamples whose absolute difference exceeds its mean by more than the real one)
   * / (1 + number of resamples): small where chance does not explain the difference.
   * It is 1 for systems that score the same on every resample, where sacrebleu gives its smallest.
   */
  readonly pValue: number;
  readonly baseline: BootstrapInterval;
  readonly system: BootstrapInterval;
}

/**
 * The 95 % interval of one corpus score.
 *
 * @throws {ConfigError} for a number of resamples below 1
 */
export function bootstrapInterval(
  corpus: CorpusScore,
  options: BootstrapOptions = {},
): BootstrapInterval {
  const settings = resolveSettings(options);
  const [scores] = resampledScores([corpus], settings);
  return intervalOf(scores!, corpus, settings);
}

/**
 * Compares a system with a baseline, both scored against the same references.
 *
 * @throws {DataError} when the two have different numbers of segments or different signatures
 */
export function pairedBootstrap(
  baseline: CorpusScore,
  system: CorpusScore,
  options: BootstrapOptions = {},
): PairedComparison {
  const settings = resolveSettings(options);
  checkPair(baseline, system);
  const [baselineScores, systemScores] = resampledScores([baseline, system], settings);
  const differences = systemScores!.map((score, i) => score - baselineScores![i]!);
  const difference = system.score - baseline.score;
  return {
    difference,
    ...percentiles(differences),
    pValue: pValueOf(differences, difference),
    baseline: intervalOf(baselineScores!, baseline, settings),
    system: intervalOf(systemScores!, system, settings),
  };
}

function resolveSettings(options: BootstrapOptions): Required<BootstrapOptions> {
  const { samples = 1000, seed = 12345 } = options;
  if (!Number.isInteger(samples) || samples < 1) {
    throw new ConfigError(
      `bootstrap: expected a whole number of resamples of at least 1, received ${samples}. ` +
        "1000 is usual.",
    );
  }
  return { samples, seed };
}

function checkPair(baseline: CorpusScore, system: CorpusScore): void {
  const expected = baseline.statistics.segments;
  if (system.statistics.segments !== expected) {
    throw new DataError(
      `paired bootstrap: expected ${expected} segments as in the baseline, received ` +
        `${system.statistics.segments}. Score both systems on the same text.`,
    );
  }
  if (system.signature !== baseline.signature) {
    throw new DataError(
      `paired bootstrap: expected the baseline's signature ${baseline.signature}, received ` +
        `${system.signature}. Score both systems with the same options.`,
    );
  }
}

/** The scores of every corpus on the same resamples of segments. */
function resampledScores(
  corpora: readonly CorpusScore[],
  settings: Required<BootstrapOptions>,
): Float64Array[] {
  const random = new RandomStream({ seed: settings.seed, stream: 0 });
  const { segments } = corpora[0]!.statistics;
  const chosen = new Int32Array(segments);
  const scores = corpora.map(() => new Float64Array(settings.samples));
  for (let sample = 0; sample < settings.samples; sample++) {
    for (let i = 0; i < segments; i++) chosen[i] = random.integer(segments);
    corpora.forEach((corpus, c) => {
      scores[c]![sample] = corpus.scoreOf(sumChosen(corpus.statistics, chosen));
    });
  }
  return scores;
}

function sumChosen(statistics: SegmentStatistics, chosen: Int32Array): Float64Array {
  const { width, values } = statistics;
  const totals = new Float64Array(width);
  for (const segment of chosen) {
    const start = segment * width;
    for (let k = 0; k < width; k++) totals[k]! += values[start + k]!;
  }
  return totals;
}

function intervalOf(
  scores: Float64Array,
  corpus: CorpusScore,
  settings: Required<BootstrapOptions>,
): BootstrapInterval {
  const { low, high } = percentiles(scores);
  return {
    mean: mean(scores),
    low,
    high,
    halfWidth: (high - low) / 2,
    signature: withBootstrap(corpus.signature, settings.samples, settings.seed),
  };
}

/** The values with a fortieth of all below and above. */
function percentiles(values: Float64Array): { low: number; high: number } {
  const sorted = Float64Array.from(values).sort();
  const cut = Math.floor(sorted.length / 40);
  return { low: sorted[cut]!, high: sorted[sorted.length - 1 - cut]! };
}

function pValueOf(differences: Float64Array, difference: number): number {
  const sizes = differences.map(Math.abs);
  if (sizes.every((size) => size === 0)) return 1;
  const typical = mean(sizes);
  const exceeding = sizes.filter((size) => size - typical > Math.abs(difference)).length;
  return (exceeding + 1) / (sizes.length + 1);
}

function mean(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
