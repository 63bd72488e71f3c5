/**
 * What statistics ask of a tensor's values. Values lie in rows of which some may be padding, and rows
 * in samples. Sums are float64 in four lanes, element i of a row in lane i mod 4, over the rows; a sum
 * is (lane 0 + lane 2) + (lane 1 + lane 3), and leaves as two float32: its rounding and what that lost.
 */

/** How values lie: `samples` of as many rows each, in the order of memory. */
export interface ObservedRows {
  readonly samples: number;
  /** float32 [rows], 0 on padding; null: one row for each sample, all real. */
  readonly mask: Float32Array | null;
}

/**
 * Smallest and largest value of each sample, NaN where it has one, ∞ and −∞ where none is real; and
 * the mean of all.
 * @param out float32 [2·samples + 2]: minima, maxima, the mean in two parts (0 where none is real)
 */
export function sampleRanges(x: Float32Array, layout: ObservedRows, out: Float32Array): void {
  const { samples, mask } = layout;
  const rows = mask?.length ?? samples;
  const perSample = rows / samples;
  const width = x.length / rows;
  const lanes = new Float64Array(4);
  let count = 0;
  for (let sample = 0; sample < samples; sample++) {
    let [least, most] = [Infinity, -Infinity];
    for (let row = sample * perSample; row < (sample + 1) * perSample; row++) {
      if (mask !== null && mask[row] === 0) continue;
      count += width;
      for (let i = 0; i < width; i++) {
        const value = x[row * width + i]!;
        // Math.min and Math.max keep NaN.
        least = Math.min(least, value);
        most = Math.max(most, value);
        lanes[i & 3]! += value;
      }
    }
    out[sample] = least;
    out[samples + sample] = most;
  }
  writeParts(count === 0 ? 0 : sumOf(lanes) / count, out, 2 * samples);
}

/** The cells and the centre of {@link valueHistogram}. */
export interface HistogramSpec {
  /** Cells, an even number, half of them for negative values. */
  readonly cells: number;
  /** Width of a cell, a power of two; 0 puts every value into the cell that begins at 0. */
  readonly width: number;
  /** What squares are taken from, a float64. */
  readonly center: number;
}

/**
 * Number of real values in each cell: value v is in cell ⌊v/width⌋ + cells/2, the first and the last
 * cell take the rest; and Σ (v − center)².
 * @param x finite where real
 * @param counts int32 [cells]
 * @param squares float32 [2]: the sum in two parts
 */
export function valueHistogram(
  x: Float32Array,
  mask: Float32Array | null,
  { cells, width, center }: HistogramSpec,
  out: { readonly counts: Int32Array; readonly squares: Float32Array },
): void {
  const rows = mask?.length ?? 1;
  const rowWidth = x.length / rows;
  const inverse = width === 0 ? 0 : 1 / width;
  const half = cells / 2;
  const lanes = new Float64Array(4);
  out.counts.fill(0);
  for (let row = 0; row < rows; row++) {
    if (mask !== null && mask[row] === 0) continue;
    for (let i = 0; i < rowWidth; i++) {
      const value = x[row * rowWidth + i]!;
      const cell = Math.floor(value * inverse) + half;
      out.counts[Math.min(Math.max(cell, 0), cells - 1)]!++;
      const distance = value - center;
      lanes[i & 3]! += distance * distance;
    }
  }
  writeParts(sumOf(lanes), out.squares, 0);
}

function sumOf(lanes: Float64Array): number {
  return lanes[0]! + lanes[2]! + (lanes[1]! + lanes[3]!);
}

function writeParts(value: number, out: Float32Array, at: number): void {
  const high = Math.fround(value);
  out[at] = high;
  out[at + 1] = value - high;
}
