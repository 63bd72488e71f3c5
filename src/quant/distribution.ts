/** A histogram as sums up to each cell, so that the error of any range costs a look-up. */
import type { ValueHistogram } from "../core/tensor-statistics.ts";

/** The ends of a grid and its step. */
export interface GridSpan {
  /** Smallest and largest value on the grid. */
  readonly lowest: number;
  readonly highest: number;
  readonly scale: number;
}

/** Values that stand at the middles of the cells of a histogram. */
export class Distribution {
  readonly width: number;
  /** An even number of cells, half of them for negative values. */
  readonly counts: Float64Array;
  readonly total: number;
  /** Sums over the cells before i of 1, x and x². */
  readonly #sums: readonly [Float64Array, Float64Array, Float64Array];

  constructor({ width, counts }: ValueHistogram) {
    this.width = width;
    this.counts = counts;
    const [count, sum, squares] = [0, 1, 2].map(() => new Float64Array(counts.length + 1)) as [
      Float64Array,
      Float64Array,
      Float64Array,
    ];
    for (let i = 0; i < counts.length; i++) {
      const x = (i + 0.5 - counts.length / 2) * width;
      const n = counts[i]!;
      count[i + 1] = count[i]! + n;
      sum[i + 1] = sum[i]! + n * x;
      squares[i + 1] = squares[i]! + n * x * x;
    }
    this.#sums = [count, sum, squares];
    this.total = this.#sums[0][counts.length]!;
  }

  /** Σ x² over all values. */
  get energy(): number {
    return this.#sums[2][this.counts.length]!;
  }

  /**
   * Expected Σ of squared differences between values and their places on a grid: scale²/12 for each
   * value within its ends, the squared distance to the nearer end beyond.
   */
  squaredError({ lowest, highest, scale }: GridSpan): number {
    const below = this.#cellOf(lowest);
    const above = this.#cellOf(highest);
    const [counts] = this.#sums;
    const inside = counts[above]! - counts[below]!;
    return (
      (inside * scale * scale) / 12 +
      this.#distances(0, below, lowest) +
      this.#distances(above, this.counts.length, highest)
    );
  }

  /** Share of the values outside a grid's ends. */
  saturated({ lowest, highest }: GridSpan): number {
    if (this.total === 0) return 0;
    const [counts] = this.#sums;
    return 1 - (counts[this.#cellOf(highest)]! - counts[this.#cellOf(lowest)]!) / this.total;
  }

  /** The upper edge of the cell below which a share of the values lies. */
  quantile(share: number): number {
    const [counts] = this.#sums;
    let cell = 0;
    while (cell < this.counts.length && counts[cell]! < share * this.total) cell++;
    return (cell - this.counts.length / 2) * this.width;
  }

  /** How often magnitudes occur: cell i counts |x| from i·width on. */
  magnitudes(): Float64Array {
    const half = this.counts.length / 2;
    return Float64Array.from(
      { length: half },
      (_, i) => this.counts[half + i]! + this.counts[half - 1 - i]!,
    );
  }

  /** The first cell whose middle is at or above a value. */
  #cellOf(value: number): number {
    if (this.width === 0) return value > 0 ? this.counts.length : 0;
    const cell = Math.ceil(value / this.width + this.counts.length / 2 - 0.5);
    return Math.min(Math.max(cell, 0), this.counts.length);
  }

  /** Σ (x − end)² over the cells from `first` to before `last`. */
  #distances(first: number, last: number, end: number): number {
    const [count, sum, squares] = this.#sums.map((sums) => sums[last]! - sums[first]!) as [
      number,
      number,
      number,
    ];
    // Differences of large sums may come out a little below zero.
    return Math.max(squares - 2 * end * sum + end * end * count, 0);
  }
}
