/** The range whose rounded distribution tells least from the real one, as TensorRT calibrates. */
import type { ValueRange } from "../core/range-grid.ts";
import type { RangeSearch } from "./range-search.ts";

/** Ranges tried. */
const CANDIDATES = 128;

/**
 * The range with the smallest Kullback-Leibler divergence D(P‖Q): P is the histogram within the range
 * with all that lies beyond added to its end cells, Q the histogram within it spread evenly over
 * the cells of each code that hold values. Centred ranges and those of the relu kind are cut of
 * magnitudes; of others both ends move towards zero by the same share.
 * @see S. Migacz 2017, 8-bit inference with TensorRT, GPU Technology Conference
 */
export function divergenceRange({ extremes, distribution, spec }: RangeSearch): ValueRange {
  const { lo, hi } = extremes;
  const isRelu = spec.kind === "relu";
  const isSymmetric = isRelu || spec.mode.startsWith("symmetric");
  const levels = 2 ** (isSymmetric && !isRelu ? spec.bits - 1 : spec.bits);
  const { width } = distribution;
  const counts = isSymmetric ? distribution.magnitudes() : distribution.counts;
  const zero = isSymmetric ? 0 : counts.length / 2;
  const ends = isSymmetric ? { lo: 0, hi: isRelu ? hi : Math.max(-lo, hi) } : { lo, hi };
  let best = 1;
  let least = Infinity;
  for (let i = CANDIDATES; i > 0; i--) {
    const share = i / CANDIDATES;
    const first = Math.max(zero + Math.floor((share * Math.min(ends.lo, 0)) / width), 0);
    const last = Math.min(zero + Math.ceil((share * Math.max(ends.hi, 0)) / width), counts.length);
    // With no more cells than codes every code is exact and nothing can be told apart.
    if (last - first < levels) break;
    const divergence = divergenceWithin(counts, { first, last }, levels);
    if (divergence < least) [best, least] = [share, divergence];
  }
  if (!isSymmetric) return { lo: best * lo, hi: best * hi };
  const clip = best * ends.hi;
  return { lo: isRelu ? 0 : -clip, hi: clip };
}

/** D(P‖Q) of cells from `first` to before `last` on so many codes; Infinity where Q misses values. */
function divergenceWithin(
  counts: Float64Array,
  { first, last }: { readonly first: number; readonly last: number },
  levels: number,
): number {
  const inside = counts.slice(first, last);
  const total = counts.reduce((sum, count) => sum + count, 0);
  const p = Float64Array.from(inside);
  for (let i = 0; i < first; i++) p[0]! += counts[i]!;
  for (let i = last; i < counts.length; i++) p[p.length - 1]! += counts[i]!;
  const insideTotal = inside.reduce((sum, count) => sum + count, 0);
  let divergence = 0;
  for (let level = 0; level < levels; level++) {
    const begin = Math.floor((level * inside.length) / levels);
    const end = Math.floor(((level + 1) * inside.length) / levels);
    let sum = 0;
    let occupied = 0;
    for (let i = begin; i < end; i++) {
      sum += inside[i]!;
      if (p[i]! > 0) occupied++;
    }
    for (let i = begin; i < end; i++) {
      if (p[i] === 0) continue;
      if (sum === 0) return Infinity;
      const [real, rounded] = [p[i]! / total, sum / occupied / insideTotal];
      divergence += real * Math.log(real / rounded);
    }
  }
  return divergence;
}
