/** What calibration sees of a tensor: how often each magnitude occurs. */
import * as tf from "@tensorflow/tfjs";
import { gridOf } from "../core/affine.ts";
import type { QuantKind, Rounding } from "../core/qtype.ts";
import { TrainingError } from "../errors.ts";
import { magnitudeHistogram, valueRange } from "../ops/observe.ts";

/**
 * How an observed range becomes a clip.
 * `max`: the largest magnitude. `percentile`: the magnitude that a share of 0.9999 stays below.
 * `mse`: the clip with the smallest mean squared rounding error.
 */
export const RANGE_METHODS = ["max", "percentile", "mse"] as const;
/** One of {@link RANGE_METHODS}. */
export type RangeMethod = (typeof RANGE_METHODS)[number];

/** Cells of the histogram: after doublings at least half of them resolve the range. */
const CELLS = 4096;
const PERCENTILE = 0.9999;
/** Clips tried by `mse`, as shares of the largest magnitude. */
const CLIP_SHARES = Array.from({ length: 100 }, (_, i) => (i + 1) / 100);

/** A tensor that calibration sees. */
export interface SeenTensor {
  readonly x: tf.Tensor;
  readonly kind: QuantKind;
  readonly histogram: MagnitudeHistogram;
  /** Names the tensor in messages. */
  readonly where: string;
}

/**
 * Counts the values of tensors in their histograms, in order. Reads from the backend twice, however
 * many tensors there are. Call it inside tf.tidy.
 * @throws {TrainingError} for NaN or an infinity
 */
export function countTensors(tensors: readonly SeenTensor[]): void {
  if (tensors.length === 0) return;
  const ranges = tf.concat1d(tensors.map(({ x }) => rangeOf(x))).dataSync<"float32">();
  const widths = tensors.map(({ kind, histogram, where }, i) =>
    histogram.widen([ranges[2 * i]!, ranges[2 * i + 1]!], kind, where),
  );
  const counts = tf
    .concat1d(
      tensors.map(({ x, kind }, i) =>
        magnitudeHistogram(x, { cells: CELLS, width: widths[i]!, positive: kind === "relu" }),
      ),
    )
    .dataSync<"int32">();
  tensors.forEach(({ x, histogram }, i) => {
    histogram.count(counts.subarray(i * CELLS, (i + 1) * CELLS), widths[i]!, x.size);
  });
}

function rangeOf(x: tf.Tensor): tf.Tensor1D {
  return x.size === 0 ? tf.zeros([2]) : valueRange(x);
}

/** A histogram of magnitudes whose range doubles when a larger value comes. */
export class MagnitudeHistogram {
  #counts = new Float64Array(CELLS);
  /** Width of a cell of the counts. */
  #width = 0;
  /** Width of a cell for all values whose range is known. */
  #widest = 0;
  #largest = 0;
  #total = 0;

  /** Largest magnitude so far, float32. */
  get largest(): number {
    return this.#largest;
  }

  /**
   * Counts the magnitudes of a tensor's values; negative ones count as zero for a `relu` quantizer's
   * tensor, because they cannot be represented. Waits for the backend; see {@link countTensors} for
   * many tensors.
   * @param x float32
   * @param where names the tensor in messages
   * @throws {TrainingError} for NaN or an infinity
   */
  add(x: tf.Tensor, kind: QuantKind, where: string): void {
    tf.tidy(() => {
      countTensors([{ x, kind, histogram: this, where }]);
    });
  }

  /**
   * Makes room for the values of a tensor.
   * @param range its smallest and largest value
   * @returns the width of the cells in which they are to be counted
   * @throws {TrainingError} for NaN or an infinity
   */
  widen(range: readonly [number, number], kind: QuantKind, where: string): number {
    for (const value of range) {
      if (Number.isFinite(value)) continue;
      throw new TrainingError(
        `calibration, "${where}": expected finite values, received ${value}. ` +
          `Check the weights and the training text.`,
      );
    }
    const [least, most] = range;
    this.#largest = Math.max(this.#largest, kind === "relu" ? 0 : -least, most);
    if (this.#widest === 0) this.#widest = this.#largest / CELLS;
    while (this.#widest > 0 && this.#largest > this.#widest * CELLS) this.#widest *= 2;
    return this.#widest;
  }

  /**
   * Adds a tensor's counts.
   * @param width that of {@link widen} for the tensor, in the same order
   * @param total number of its values
   */
  count(counts: Int32Array, width: number, total: number): void {
    if (this.#width === 0) this.#width = width;
    while (this.#width < width) this.#double();
    for (let cell = 0; cell < CELLS; cell++) this.#counts[cell]! += counts[cell]!;
    this.#total += total;
  }

  /** The clip that a method chooses for a kind at a bit width; 0 where every value was 0. */
  clip(method: RangeMethod, grid: { kind: QuantKind; bits: number; rounding: Rounding }): number {
    if (this.#largest === 0 || method === "max") return this.#largest;
    if (method === "percentile") return this.#percentile();
    let best = this.#largest;
    let bestError = Infinity;
    for (const share of CLIP_SHARES) {
      const clip = Math.fround(share * this.#largest);
      const error = this.#squaredError(gridOf(grid.kind, grid.bits, clip, grid.rounding));
      // Among equals the widest clip, which saturates least.
      if (error <= bestError) [best, bestError] = [clip, error];
    }
    return best;
  }

  #percentile(): number {
    let below = 0;
    for (let cell = 0; cell < CELLS; cell++) {
      below += this.#counts[cell]!;
      if (below >= PERCENTILE * this.#total) {
        return Math.fround(Math.min((cell + 1) * this.#width, this.#largest));
      }
    }
    return this.#largest;
  }

  /** Sum of squared errors: s²/12 for each value in range, the distance to the end beyond it. */
  #squaredError({ scale, highest }: { scale: number; highest: number }): number {
    let error = 0;
    for (let cell = 0; cell < CELLS; cell++) {
      const count = this.#counts[cell]!;
      if (count === 0) continue;
      const beyond = (cell + 0.5) * this.#width - highest;
      error += count * (beyond > 0 ? beyond * beyond : (scale * scale) / 12);
    }
    return error;
  }

  #double(): void {
    const merged = new Float64Array(CELLS);
    for (let cell = 0; cell < CELLS; cell++) merged[cell >> 1]! += this.#counts[cell]!;
    this.#counts = merged;
    this.#width *= 2;
  }
}
