/** Ranges that are searched for in a histogram: by percentiles, squared error, or divergence. */
import { rangeGrid, type RangeSpec, type ValueRange } from "../core/range-grid.ts";
import type { Distribution } from "./distribution.ts";
import { divergenceRange } from "./kl-range.ts";

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
/** Ends tried by `mse`, as shares of the extremes: the widest first. */
const STEPS = 100;
const SHARES = Array.from({ length: STEPS }, (_, i) => (STEPS - i) / STEPS);
/** Where both ends are free, every so many of them first, and then all around the best. */
const COARSE = 5;

/** Whether a grid is centred on zero: both ends follow from one clip. */
export function isCentred({ kind, mode, compat }: RangeSpec): boolean {
  const isUnsigned = kind === "relu" && mode === "symmetric" && compat === "none";
  return mode.startsWith("symmetric") && !isUnsigned;
}

/**
 * `percentile`: centred, the magnitude that a share of 0.9999 of the values stays within; else the
 * ends beyond which 0.00005 of the values lie on each side; of the relu kind 0.9999 lie below.
 * `mse`: the ends with the smallest {@link Distribution.squaredError} on the very grid that they
 * give, of 100 shares of the extremes; among equals the widest.
 * `kl`: see kl-range.ts.
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

function leastErrorRange(search: RangeSearch): ValueRange {
  const { extremes, spec } = search;
  const { lo, hi } = extremes;
  if (isCentred(spec)) {
    const clip = Math.max(-lo, hi);
    return best(
      search,
      SHARES.map((share) => ({ lo: -share * clip, hi: share * clip })),
    );
  }
  // Zero is always on the grid, so that an end on its other side stays there.
  const [low, high] = [spec.kind === "relu" ? 0 : Math.min(lo, 0), Math.max(hi, 0)];
  const coarse = SHARES.filter((_, i) => i % COARSE === 0);
  const pairs = (lows: readonly number[], highs: readonly number[]): ValueRange[] =>
    (low === 0 ? [1] : lows).flatMap((l) =>
      (high === 0 ? [1] : highs).map((h) => ({ lo: l * low, hi: h * high })),
    );
  const first = best(search, pairs(coarse, coarse));
  const near = (end: number, extreme: number): number[] =>
    SHARES.filter(
      (share) => Math.abs(share * extreme - end) < (COARSE / STEPS) * Math.abs(extreme),
    );
  return best(search, pairs(near(first.lo, low), near(first.hi, high)));
}

/** The range whose grid has the smallest error; the earliest, so the widest, among equals. */
function best({ distribution, spec }: RangeSearch, ranges: readonly ValueRange[]): ValueRange {
  let [found, least] = [ranges[0]!, Infinity];
  for (const range of ranges) {
    const error = distribution.squaredError(rangeGrid(spec, range));
    if (error < least) [found, least] = [range, error];
  }
  return found;
}
