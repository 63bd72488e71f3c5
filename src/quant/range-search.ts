/** Ranges that are searched for in a histogram: by percentiles, squared error, or divergence. */
import { rangeGrid, type RangeSpec, type ValueRange } from "../core/range-grid.ts";
import type { Distribution } from "./distribution.ts";
import { divergenceRange } from "./divergence.ts";

/** What a range is searched for. */
export interface RangeSearch {
  /** The smallest and the largest value; the range is within. */
  readonly extremes: ValueRange;
  readonly distribution: Distribution;
  /** The grid that the range is for. */
  readonly spec: RangeSpec;
}

/** Share of the values that `percentile` keeps: of those left out, half on each side. */
const PERCENTILE = 0.9999;
/** Ends tried by `mse` on each side, as shares of the extremes. */
const STEPS = 100;

/** Whether a grid is centred on zero: both ends follow from one clip. */
export function isCentred({ kind, mode, compat }: RangeSpec): boolean {
  const isUnsigned = kind === "relu" && mode === "symmetric" && compat === "none";
  return mode.startsWith("symmetric") && !isUnsigned;
}

/**
 * `percentile`: centred, the magnitude that a share of 0.9999 of the values stays within; else the
 * ends beyond which 0.00005 of the values lie on each side; of the relu kind 0.9999 lie below.
 * `mse`: the ends with the smallest {@link Distribution.squaredError} on the very grid that they
 * give, among 100 shares of each extreme; among equals the widest.
 * `kl`: see divergence.ts.
 */
export const RANGE_SEARCHES = {
  percentile: percentileRange,
  mse: leastErrorRange,
  kl: divergenceRange,
} as const satisfies Record<string, (search: RangeSearch) => ValueRange>;

function percentileRange({ extremes, distribution, spec }: RangeSearch): ValueRange {
  const { width } = distribution;
  if (isCentred(spec)) {
    const counts = distribution.magnitudes();
    let cell = 0;
    for (let below = 0; cell < counts.length && below < PERCENTILE * distribution.total; cell++) {
      below += counts[cell]!;
    }
    const clip = Math.min(cell * width, Math.max(-extremes.lo, extremes.hi));
    return { lo: -clip, hi: clip };
  }
  if (spec.kind === "relu") {
    return { lo: 0, hi: Math.min(distribution.quantile(PERCENTILE), extremes.hi) };
  }
  const outside = (1 - PERCENTILE) / 2;
  const lo = Math.max(distribution.quantile(outside) - width, extremes.lo);
  return { lo, hi: Math.max(lo, Math.min(distribution.quantile(1 - outside), extremes.hi)) };
}

function leastErrorRange({ extremes, distribution, spec }: RangeSearch): ValueRange {
  let best = extremes;
  let bestError = Infinity;
  for (const range of candidates(extremes, spec)) {
    const error = distribution.squaredError(rangeGrid(spec, range));
    if (error < bestError) [best, bestError] = [range, error];
  }
  return best;
}

/** Widest first. */
function* candidates({ lo, hi }: ValueRange, spec: RangeSpec): Generator<ValueRange> {
  const shares = Array.from({ length: STEPS }, (_, i) => (STEPS - i) / STEPS);
  if (isCentred(spec)) {
    const clip = Math.max(-lo, hi);
    for (const share of shares) yield { lo: -share * clip, hi: share * clip };
    return;
  }
  // Zero is always on the grid, so that an end on its other side stays there.
  const lows = lo < 0 && spec.kind !== "relu" ? shares.map((share) => share * lo) : [0];
  const highs = hi > 0 ? shares.map((share) => share * hi) : [0];
  for (const low of lows) for (const high of highs) yield { lo: low, hi: high };
}
