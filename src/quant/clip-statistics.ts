/** Statistics of values as a reader sees them that tells none apart beyond a range. */
import type { ValueRange } from "../core/range-grid.ts";
import type { TensorStatistics, ValueHistogram } from "../core/tensor-statistics.ts";

/**
 * Each extreme moves to the nearer end of [lo, hi] where it lies outside; so do the values of the
 * histogram. Mean and deviations stay as they are, as in Distiller.
 * @see IntelLabs/distiller d859fc85, quantization/range_linear.py, clip_stats
 */
export function clipStatistics(
  statistics: TensorStatistics,
  { lo, hi }: ValueRange,
): TensorStatistics {
  const clamp = (x: number): number => Math.min(Math.max(x, lo), hi);
  const { min, max, avgMin, avgMax, histogram } = statistics;
  return {
    ...statistics,
    min: clamp(min),
    max: clamp(max),
    avgMin: clamp(avgMin),
    avgMax: clamp(avgMax),
    histogram: histogram === null ? null : clipHistogram(histogram, { lo, hi }),
  };
}

/** Counts beyond an end move into the cell that holds the end. */
function clipHistogram({ width, counts }: ValueHistogram, { lo, hi }: ValueRange): ValueHistogram {
  if (width === 0) return { width, counts };
  const half = counts.length / 2;
  const first = Math.min(Math.max(Math.floor(lo / width) + half, 0), counts.length - 1);
  const last = Math.min(Math.max(Math.ceil(hi / width) - 1 + half, first), counts.length - 1);
  const clipped = new Float64Array(counts.length);
  for (let i = 0; i < counts.length; i++) {
    clipped[Math.min(Math.max(i, first), last)]! += counts[i]!;
  }
  return { width, counts: clipped };
}
