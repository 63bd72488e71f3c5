/**
 * Two-sided histograms of constant size. The width of a cell is a power of two, so that x/width is
 * exact in float32 and a histogram of wide cells is the same whether it was counted so or made of one
 * of narrow cells: the order of the data does not matter.
 */

/** Cells of a histogram, half of them for negative values: at least 2048 resolve the largest. */
export const HISTOGRAM_CELLS = 8192;

/** Below, 1/width times a float32 could leave float32. */
const LEAST_EXPONENT = -110;

/**
 * The least power of two whose cells reach a magnitude: width·cells/2 ≥ magnitude; 0 for 0.
 * @param magnitude largest absolute value, finite
 */
export function cellWidth(magnitude: number, cells: number): number {
  if (magnitude === 0) return 0;
  let exponent = Math.ceil(Math.log2(magnitude / (cells / 2)));
  // The logarithm is rounded.
  while (2 ** exponent * (cells / 2) < magnitude) exponent++;
  while (2 ** (exponent - 1) * (cells / 2) >= magnitude) exponent--;
  return 2 ** Math.max(exponent, LEAST_EXPONENT);
}

/**
 * Adds counts to a histogram whose cells are as wide or wider.
 * @param counts of cells of `width`; 0 where all values are 0
 * @param to counts of cells of `toWidth`, as many
 */
export function addCounts(
  counts: ArrayLike<number>,
  width: number,
  to: Float64Array,
  toWidth: number,
): void {
  const half = to.length / 2;
  // Cells of width 0 hold zeros alone, all in the one that begins at 0.
  const shift = width === 0 ? 0 : Math.log2(toWidth / width);
  if (shift === 0) {
    for (let cell = 0; cell < to.length; cell++) to[cell]! += counts[cell]!;
    return;
  }
  for (let cell = 0; cell < to.length; cell++) {
    // Beyond 31 a shift would begin anew; by then all is in the two cells at 0.
    to[half + ((cell - half) >> Math.min(shift, 31))]! += counts[cell]!;
  }
}

/** How often each magnitude occurs: cell i counts from i·width. */
export function magnitudeCounts(counts: Float64Array): Float64Array {
  const half = counts.length / 2;
  return Float64Array.from({ length: half }, (_, i) => counts[half + i]! + counts[half - 1 - i]!);
}

/** How often each positive value occurs, negative ones counted as 0. */
export function positiveCounts(counts: Float64Array): Float64Array {
  const half = counts.length / 2;
  const result = counts.slice(half);
  for (let cell = 0; cell < half; cell++) result[0]! += counts[cell]!;
  return result;
}

/**
 * Σ |x − center| of the values that a histogram counts, each taken to be in the middle of its cell:
 * off by less than half a width for each.
 */
export function absoluteDeviation(counts: Float64Array, width: number, center: number): number {
  const half = counts.length / 2;
  let sum = 0;
  for (let cell = 0; cell < counts.length; cell++) {
    const count = counts[cell]!;
    if (count > 0) sum += count * Math.abs((cell - half + 0.5) * width - center);
  }
  return sum;
}
