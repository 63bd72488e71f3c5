/** How the clip of a symmetric grid follows from what calibration has seen. */
import { gridOf } from "../core/affine.ts";
import { magnitudeCounts, positiveCounts } from "../core/histogram.ts";
import type { QuantKind, Rounding } from "../core/qtype.ts";
import type { RunningStatistics } from "./running-statistics.ts";

/**
 * How an observed range becomes a clip.
 * `max`: the largest magnitude. `percentile`: the magnitude that a share of 0.9999 stays below.
 * `mse`: the clip with the smallest mean squared rounding error.
 */
export const RANGE_METHODS = ["max", "percentile", "mse"] as const;
/** One of {@link RANGE_METHODS}. */
export type RangeMethod = (typeof RANGE_METHODS)[number];

const PERCENTILE = 0.9999;
/** Clips tried by `mse`, as shares of the largest magnitude. */
const CLIP_SHARES = Array.from({ length: 100 }, (_, i) => (i + 1) / 100);

/** Magnitudes that a grid of one kind has to hold. */
interface Magnitudes {
  readonly counts: Float64Array;
  readonly width: number;
  readonly largest: number;
  readonly total: number;
}

/** The grid that a clip is for. */
export interface ClipGrid {
  /** Negative values count as 0 for `relu`, because they cannot be represented. */
  readonly kind: QuantKind;
  readonly bits: number;
  readonly rounding: Rounding;
}

/** The clip that a method chooses for a grid, float32; 0 where every value was 0. */
export function chooseClip(seen: RunningStatistics, method: RangeMethod, grid: ClipGrid): number {
  const magnitudes = magnitudesOf(seen, grid.kind);
  const { largest } = magnitudes;
  if (largest === 0 || method === "max") return largest;
  if (method === "percentile") return percentile(magnitudes);
  let best = largest;
  let bestError = Infinity;
  for (const share of CLIP_SHARES) {
    const clip = Math.fround(share * largest);
    const error = squaredError(magnitudes, gridOf(grid.kind, grid.bits, clip, grid.rounding));
    // Among equals the widest clip, which saturates least.
    if (error <= bestError) [best, bestError] = [clip, error];
  }
  return best;
}

function magnitudesOf(
  { counts, width, min, max, count }: RunningStatistics,
  kind: QuantKind,
): Magnitudes {
  const isPositive = kind === "relu";
  return {
    counts: isPositive ? positiveCounts(counts) : magnitudeCounts(counts),
    width,
    largest: count === 0 ? 0 : Math.max(isPositive ? 0 : -min, max),
    total: count,
  };
}

function percentile({ counts, width, largest, total }: Magnitudes): number {
  let below = 0;
  for (let cell = 0; cell < counts.length; cell++) {
    below += counts[cell]!;
    if (below >= PERCENTILE * total) return Math.fround(Math.min((cell + 1) * width, largest));
  }
  return largest;
}

/** Sum of squared errors: s²/12 for each value in range, the distance to the end beyond it. */
function squaredError(
  { counts, width }: Magnitudes,
  { scale, highest }: { scale: number; highest: number },
): number {
  let error = 0;
  for (let cell = 0; cell < counts.length; cell++) {
    const count = counts[cell]!;
    if (count === 0) continue;
    const beyond = (cell + 0.5) * width - highest;
    error += count * (beyond > 0 ? beyond * beyond : (scale * scale) / 12);
  }
  return error;
}
