/** What statistics ask of a tensor; see src/core/observe.ts. */
import { highDoubles, loadPart, lowDoubles, sumDoubleLanes } from "./lanes";

/**
 * Minimum, maximum; sums of the samples' minima and maxima, the mean and the squares around it in two
 * parts each, to float32 [10]. `mask` 0: every row is real.
 */
function sampleRanges(
  x: usize, mask: usize, samples: i32, perSample: i32, width: i32, out: usize,
): void {
  let low = f64x2.splat(0);
  let high = f64x2.splat(0);
  let lowSquares = f64x2.splat(0);
  let highSquares = f64x2.splat(0);
  let count: f64 = 0;
  let smallest: f32 = Infinity;
  let largest: f32 = -Infinity;
  let sumMin: f64 = 0;
  let sumMax: f64 = 0;
  const pairBytes = (<usize>(width & ~7)) << 2;
  const hasFour = (width & 4) != 0;
  const rest = width & 3;
  for (let sample = 0; sample < samples; sample++) {
    let least = f32x4.splat(Infinity);
    let most = f32x4.splat(-Infinity);
    const before = count;
    for (let row = 0; row < perSample; row++) {
      if (mask) {
        const isReal = load<f32>(mask) != 0;
        mask += 4;
        if (!isReal) {
          x += (<usize>width) << 2;
          continue;
        }
      }
      count += width;
      for (const pairs = x + pairBytes; x < pairs; x += 32) {
        const a = v128.load(x);
        const b = v128.load(x, 16);
        least = f32x4.min(least, f32x4.min(a, b));
        most = f32x4.max(most, f32x4.max(a, b));
        const a0 = lowDoubles(a);
        const a1 = highDoubles(a);
        const b0 = lowDoubles(b);
        const b1 = highDoubles(b);
        low = f64x2.add(low, f64x2.add(a0, b0));
        high = f64x2.add(high, f64x2.add(a1, b1));
        lowSquares = f64x2.add(lowSquares, f64x2.add(f64x2.mul(a0, a0), f64x2.mul(b0, b0)));
        highSquares = f64x2.add(highSquares, f64x2.add(f64x2.mul(a1, a1), f64x2.mul(b1, b1)));
      }
      if (hasFour) {
        const v = v128.load(x);
        x += 16;
        least = f32x4.min(least, v);
        most = f32x4.max(most, v);
        const v0 = lowDoubles(v);
        const v1 = highDoubles(v);
        low = f64x2.add(low, v0);
        high = f64x2.add(high, v1);
        lowSquares = f64x2.add(lowSquares, f64x2.mul(v0, v0));
        highSquares = f64x2.add(highSquares, f64x2.mul(v1, v1));
      }
      if (rest) {
        least = f32x4.min(least, loadPart(x, rest, Infinity));
        most = f32x4.max(most, loadPart(x, rest, -Infinity));
        const v = loadPart(x, rest, 0);
        const v0 = lowDoubles(v);
        const v1 = highDoubles(v);
        low = f64x2.add(low, v0);
        high = f64x2.add(high, v1);
        lowSquares = f64x2.add(lowSquares, f64x2.mul(v0, v0));
        highSquares = f64x2.add(highSquares, f64x2.mul(v1, v1));
        x += (<usize>rest) << 2;
      }
    }
    if (count == before) continue;
    const ownMin = leastLane(least);
    const ownMax = mostLane(most);
    smallest = min<f32>(smallest, ownMin);
    largest = max<f32>(largest, ownMax);
    sumMin += ownMin;
    sumMax += ownMax;
  }
  store<f32>(out, smallest);
  store<f32>(out, largest, 4);
  storeParts(sumMin, out + 8);
  storeParts(sumMax, out + 16);
  const mean = count == 0 ? 0 : sumDoubleLanes(low, high) / count;
  storeParts(mean, out + 24);
  storeParts(max(sumDoubleLanes(lowSquares, highSquares) - count * mean * mean, 0), out + 32);
}

/**
 * Ranges to float32 [10], and the histogram in the narrowest cells that reach the largest magnitude.
 * @param cells a power of two from 4
 */
export function observe(
  x: usize, mask: usize, samples: i32, perSample: i32, width: i32, cells: i32,
  counts: usize, other: usize, ranges: usize,
): void {
  sampleRanges(x, mask, samples, perSample, width, ranges);
  const magnitude = max<f32>(-load<f32>(ranges), load<f32>(ranges, 4));
  const rows = samples * perSample;
  // Without a mask all is one row.
  if (mask) countValues(x, mask, rows, width, inverseWidth(magnitude, cells), cells, counts, other);
  else countValues(x, 0, 1, rows * width, inverseWidth(magnitude, cells), cells, counts, other);
}

/** 1/width of the narrowest cells, a power of two; 0 for the magnitude 0 and what is not finite. */
function inverseWidth(magnitude: f32, cells: i32): f32 {
  if (!(magnitude > 0) || magnitude == Infinity) return 0;
  const bits = reinterpret<i32>(magnitude);
  // Least e with 2^e ≥ magnitude.
  const exponent = (bits >> 23) - 127 + ((bits & 0x7fffff) != 0 ? 1 : 0);
  const ofCell = max(exponent - ctz(cells >> 1), LEAST_EXPONENT);
  return reinterpret<f32>((127 - ofCell) << 23);
}

/** See src/core/histogram.ts. */
const LEAST_EXPONENT: i32 = -110;

/**
 * counts[⌊x·inverse⌋ + cells/2]++ for each real element. `mask` 0: every row is real. `other` is room
 * for as many counts: increments of one cell in a row then do not wait for one another.
 */
function countValues(
  x: usize, mask: usize, rows: i32, width: i32, inverse: f32, cells: i32,
  counts: usize, other: usize,
): void {
  const bytes = (<usize>cells) << 2;
  memory.fill(counts, 0, bytes);
  memory.fill(other, 0, bytes);
  const scale = f32x4.splat(inverse);
  const first = f32x4.splat(<f32>-(cells >> 1));
  const last = f32x4.splat(<f32>((cells >> 1) - 1));
  // Cells number 0.
  const even = counts + (bytes >> 1);
  const odd = other + (bytes >> 1);
  const wholeBytes = (<usize>(width & ~3)) << 2;
  const rest = width & 3;
  for (let row = 0; row < rows; row++) {
    if (mask && load<f32>(mask + ((<usize>row) << 2)) == 0) {
      x += (<usize>width) << 2;
      continue;
    }
    for (const whole = x + wholeBytes; x < whole; x += 16) {
      const cell = cellsOf(v128.load(x), scale, first, last);
      addOne(even + i32x4.extract_lane(cell, 0));
      addOne(odd + i32x4.extract_lane(cell, 1));
      addOne(even + i32x4.extract_lane(cell, 2));
      addOne(odd + i32x4.extract_lane(cell, 3));
    }
    for (const end = x + (rest << 2); x < end; x += 4) {
      const cell = cellsOf(f32x4.splat(load<f32>(x)), scale, first, last);
      addOne(even + i32x4.extract_lane(cell, 0));
    }
  }
  for (const end = counts + bytes; counts < end; counts += 16, other += 16) {
    v128.store(counts, i32x4.add(v128.load(counts), v128.load(other)));
  }
}

/** Byte offsets of the cells of four values from cell 0. */
// @ts-ignore: decorator
@inline
function cellsOf(v: v128, scale: v128, first: v128, last: v128): v128 {
  const cell = f32x4.max(f32x4.min(f32x4.floor(f32x4.mul(v, scale)), last), first);
  return i32x4.shl(i32x4.trunc_sat_f32x4_s(cell), 2);
}

// @ts-ignore: decorator
@inline
function addOne(at: usize): void {
  store<i32>(at, load<i32>(at) + 1);
}

function leastLane(x: v128): f32 {
  return min(
    min(f32x4.extract_lane(x, 0), f32x4.extract_lane(x, 1)),
    min(f32x4.extract_lane(x, 2), f32x4.extract_lane(x, 3)),
  );
}

function mostLane(x: v128): f32 {
  return max(
    max(f32x4.extract_lane(x, 0), f32x4.extract_lane(x, 1)),
    max(f32x4.extract_lane(x, 2), f32x4.extract_lane(x, 3)),
  );
}

function storeParts(value: f64, to: usize): void {
  const high = <f32>value;
  store<f32>(to, high);
  store<f32>(to, <f32>(value - <f64>high), 4);
}
