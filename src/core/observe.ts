/**
 * What statistics ask of a tensor's values. Values lie in rows of which some may be padding, and rows
 * in samples. Sums are float64 in four lanes over the rows, element i of a row in lane i mod 4, elements i
 * and i + 4 of each eight added first; a sum is (lane 0 + lane 2) + (lane 1 + lane 3), and leaves as two float32: its rounding and what that lost.
 */

/** How values lie: `samples` of as many rows each, in the order of memory. */
export interface ObservedRows {
  readonly samples: number;
  /** float32 [rows], 0 on padding; null: one row for each sample, all real. */
  readonly mask: Float32Array | null;
}

/** Elements that {@link sampleRanges} writes. */
export const SAMPLE_RANGES_SIZE = 10;

/**
 * The smallest and the largest value; the sums over samples of the smallest and of the largest value of
 * each; the mean m of all, and Σ (x − m)². Samples of padding alone do not count; where nothing is real,
 * ∞, −∞ and zeros.
 * @param out float32 [{@link SAMPLE_RANGES_SIZE}]: minimum, maximum (NaN where a value is NaN), both
 *   sums, the mean and the squares in two parts each
 */
export function sampleRanges(x: Float32Array, layout: ObservedRows, out: Float32Array): void {
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

/** The cells of {@link valueHistogram}. */
export interface HistogramSpec {
  /** Width of a cell, a power of two; 0 puts every value into cell 0. */
  readonly width: number;
  /** Number of the first cell: a cell begins at its number times the width. */
  readonly begin: number;
  readonly cells: number;
}

/**
 * Number of real values in each cell: value v is in cell ⌊v/width⌋; the first and the last one take
 * what lies outside.
 * @param x finite where real
 * @param counts int32 [cells]
 */
export function valueHistogram(
  x: Float32Array,
  mask: Float32Array | null,
  { width, begin, cells }: HistogramSpec,
  counts: Int32Array,
): void {
  const rows = mask?.length ?? 1;
  const rowWidth = x.length / rows;
  const inverse = width === 0 ? 0 : 1 / width;
  counts.fill(0);
  for (let row = 0; row < rows; row++) {
    if (mask !== null && mask[row] === 0) continue;
    for (let i = row * rowWidth; i < (row + 1) * rowWidth; i++) {
      const cell = Math.floor(x[i]! * inverse) - begin;
      counts[Math.min(Math.max(cell, 0), cells - 1)]!++;
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
