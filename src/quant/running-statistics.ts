/** Statistics of a tensor that come in part by part, in memory that does not grow. */
import {
  absoluteDeviation,
  addCounts,
  type CellCounts,
  HISTOGRAM_CELLS,
} from "../core/histogram.ts";
import type { TensorStatistics } from "../core/tensor-statistics.ts";

/** What one tensor adds. */
export interface TensorSummary {
  /** Real values. */
  readonly count: number;
  /** Samples with a real value; and the sums of their smallest and of their largest value. */
  readonly samples: number;
  readonly sumMin: number;
  readonly sumMax: number;
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  /** Σ (x − mean)². */
  readonly squares: number;
  /** In cells as narrow as `cellWidth` allows for this tensor. */
  readonly histogram: CellCounts;
}

/** Names of the numbers that {@link RunningStatistics} keeps besides its histogram. */
const MOMENTS = ["count", "samples", "sumMin", "sumMax", "min", "max", "mean", "squares"] as const;

/** All that {@link RunningStatistics} knows; float64. */
export interface RunningState {
  /** Shape of the first tensor. */
  readonly shape: readonly number[];
  /** count, samples, sumMin, sumMax, min, max, mean, squares, width. */
  readonly moments: Float64Array;
  /** [HISTOGRAM_CELLS]. */
  readonly counts: Float64Array;
}

/**
 * Minimum, maximum, mean and squares of all values so far (merged in float64), means of the samples'
 * extremes, and a histogram.
 * @see Chan, Golub, LeVeque 1983, "Algorithms for computing the sample variance", eq. 2.1
 */
export class RunningStatistics {
  #shape: readonly number[] | null = null;
  #moments = {
    count: 0,
    samples: 0,
    sumMin: 0,
    sumMax: 0,
    min: Infinity,
    max: -Infinity,
    mean: 0,
    squares: 0,
  };
  #width = 0;
  #counts = new Float64Array(HISTOGRAM_CELLS);

  /** Values so far. */
  get count(): number {
    return this.#moments.count;
  }

  get min(): number {
    return this.#moments.min;
  }

  get max(): number {
    return this.#moments.max;
  }

  /** Width of a cell of {@link counts}. */
  get width(): number {
    return this.#width;
  }

  /** The histogram itself, as it grows. */
  get counts(): Float64Array {
    return this.#counts;
  }

  /** @param shape that of the tensor, of which the first one's is kept */
  add(part: TensorSummary, shape: readonly number[]): void {
    this.#shape ??= [...shape];
    if (part.count === 0) return;
    const own = this.#moments;
    const count = own.count + part.count;
    const distance = part.mean - own.mean;
    own.squares += part.squares + (distance * distance * own.count * part.count) / count;
    own.mean += (distance * part.count) / count;
    own.count = count;
    own.samples += part.samples;
    own.sumMin += part.sumMin;
    own.sumMax += part.sumMax;
    own.min = Math.min(own.min, part.min);
    own.max = Math.max(own.max, part.max);
    if (part.histogram.width > this.#width) this.#widen(part.histogram.width);
    addCounts(part.histogram, this.#counts, this.#width);
  }

  #widen(width: number): void {
    const counts = new Float64Array(HISTOGRAM_CELLS);
    const before = { counts: this.#counts, begin: -HISTOGRAM_CELLS / 2, width: this.#width };
    addCounts(before, counts, width);
    this.#counts = counts;
    this.#width = width;
  }

  /** Null where nothing real was seen. b is off by at most half a cell's width. */
  statistics(): TensorStatistics | null {
    const { count, samples, sumMin, sumMax, min, max, mean, squares } = this.#moments;
    if (count === 0) return null;
    const isConstant = min === max;
    return {
      min,
      max,
      avgMin: sumMin / samples,
      avgMax: sumMax / samples,
      mean: isConstant ? min : mean,
      std: isConstant ? 0 : Math.sqrt(squares / count),
      b: isConstant ? 0 : absoluteDeviation(this.#counts, this.#width, mean) / count,
      shape: `(${this.#shape!.join(", ")})`,
      totalNumel: count,
      histogram: { width: this.#width, counts: this.#counts.slice() },
    };
  }

  /** A copy of all that is known. */
  state(): RunningState {
    const moments = [...MOMENTS.map((name) => this.#moments[name]), this.#width];
    return {
      shape: this.#shape ?? [],
      moments: Float64Array.from(moments),
      counts: this.#counts.slice(),
    };
  }

  /** Takes up what {@link state} returned. */
  static from({ shape, moments, counts }: RunningState): RunningStatistics {
    const statistics = new RunningStatistics();
    statistics.#shape = [...shape];
    MOMENTS.forEach((name, i) => (statistics.#moments[name] = moments[i]!));
    statistics.#width = moments[MOMENTS.length]!;
    statistics.#counts = counts.slice();
    return statistics;
  }
}
