/**
 * What statistics ask of a tensor's values: ranges, moments, and how often each occurs. Values lie in rows of which some may be padding, and rows
 * in samples. Sums are float64 in four lanes over the rows, element i of a row in lane i mod 4, elements i
 * and i + 4 of each eight added first; a sum is (lane 0 + lane 2) + (lane 1 + lane 3), and leaves as two float32: its rounding and what that lost.
 */
import { cellWidth } from "./histogram.ts";

/** How values lie: `samples` of as many rows each, in the order of memory. */
export interface ObservedRows {
  readonly samples: number;
  /** float32 [rows], 0 on padding; null: one row for each sample, all real. */
  readonly mask: Float32Array | null;
}

/** Numbers that {@link observe} writes besides counts. */
export const OBSERVED_RANGES = 10;

/**
 * Ranges and moments of the real values, and their histogram.
 * @param counts int32 [cells], a power of two; see {@link countValues}
 * @param ranges float32 [{@link OBSERVED_RANGES}]; see {@link sampleRanges}
 */
export function observe(
  x: Float32Array,
  layout: ObservedRows,
  { counts, ranges }: { readonly counts: Int32Array; readonly ranges: Float32Array },
): void {
  sampleRanges(x, layout, ranges);
  countValues(x, layout.mask, { min: ranges[0]!, max: ranges[1]! }, counts);
}

/**
 * The smallest and the largest value; the sums over samples of the smallest and of the largest value of
 * each; the mean m of all, and Σ (x − m)². Samples of padding alone do not count; where nothing is real,
 * ∞, −∞ and zeros.
 * @param out float32 [{@link OBSERVED_RANGES}]: minimum, maximum (NaN where a value is NaN), both
 *   sums, the mean and the squares in two parts each
 */
function sampleRanges(x: Float32Array, layout: ObservedRows, out: Float32Array): void {
  const { samples, mask } = layout;
  const rows = mask?.length ?? samples;
  const perSample = rows / samples;
  const width = x.length / rows;
  const [lanes, squareLanes] = [new Float64Array(4), new Float64Array(4)];
  let [min, max, sumMin, sumMax, count] = [Infinity, -Infinity, 0, 0, 0];
  for (let sample = 0; sample < samples; sample++) {
    let [least, most] = [Infinity, -Infinity];
    const before = count;
    for (let row = sample * perSample; row < (sample + 1) * perSample; row++) {
      if (mask !== null && mask[row] === 0) continue;
      count += width;
      const begin = row * width;
      for (let i = begin; i < begin + width; i++) {
        // Math.min and Math.max keep NaN.
        least = Math.min(least, x[i]!);
        most = Math.max(most, x[i]!);
      }
      addLanes(x, { begin, width }, lanes, squareLanes);
    }
    if (count === before) continue;
    min = Math.min(min, least);
    max = Math.max(max, most);
    sumMin += least;
    sumMax += most;
  }
  out[0] = min;
  out[1] = max;
  writeParts(sumMin, out, 2);
  writeParts(sumMax, out, 4);
  const mean = count === 0 ? 0 : sumOf(lanes) / count;
  writeParts(mean, out, 6);
  // In float64 the difference is good to 2^−53 of the sum of squares.
  writeParts(Math.max(sumOf(squareLanes) - count * mean * mean, 0), out, 8);
}

/**
 * Number of real values in each cell: value v is in cell ⌊v/width⌋ + cells/2, where the width is
 * `cellWidth` of the largest magnitude. What is not finite has no cell of its own.
 * @param range smallest and largest real value
 * @param counts int32, a power of two of cells
 */
function countValues(
  x: Float32Array,
  mask: Float32Array | null,
  range: { readonly min: number; readonly max: number },
  counts: Int32Array,
): void {
  const rows = mask?.length ?? 1;
  const rowWidth = x.length / rows;
  const magnitude = Math.max(-range.min, range.max);
  const width = Number.isFinite(magnitude) ? cellWidth(magnitude, counts.length) : 0;
  const inverse = width === 0 ? 0 : 1 / width;
  const half = counts.length / 2;
  counts.fill(0);
  for (let row = 0; row < rows; row++) {
    if (mask !== null && mask[row] === 0) continue;
    for (let i = row * rowWidth; i < (row + 1) * rowWidth; i++) {
      const cell = Math.floor(x[i]! * inverse);
      counts[Math.min(Math.max(Number.isNaN(cell) ? 0 : cell, -half), half - 1) + half]!++;
    }
  }
}

/** Adds the elements of a row, and their squares, to four lanes each. */
function addLanes(
  x: Float32Array,
  { begin, width }: { readonly begin: number; readonly width: number },
  sums: Float64Array,
  squares: Float64Array,
): void {
  const eights = width & ~7;
  for (let i = 0; i < eights; i += 8) {
    for (let lane = 0; lane < 4; lane++) {
      const [a, b] = [x[begin + i + lane]!, x[begin + i + lane + 4]!];
      sums[lane]! += a + b;
      squares[lane]! += a * a + b * b;
    }
  }
  for (let i = eights; i < width; i++) {
    const value = x[begin + i]!;
    sums[i & 3]! += value;
    squares[i & 3]! += value * value;
  }
}

function sumOf(lanes: Float64Array): number {
  return lanes[0]! + lanes[2]! + (lanes[1]! + lanes[3]!);
}

function writeParts(value: number, out: Float32Array, at: number): void {
  const high = Math.fround(value);
  out[at] = high;
  out[at + 1] = value - high;
}
