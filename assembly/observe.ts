/** What statistics ask of a tensor; see src/core/observe.ts. */
import { highDoubles, loadPart, lowDoubles, sumDoubleLanes } from "./lanes";

/**
 * Smallest and largest of each sample, then the mean of all in two parts, to float32
 * [2·samples + 2]. `mask` 0: every row is real.
 */
export function sampleRanges(
  x: usize, mask: usize, samples: i32, perSample: i32, width: i32, out: usize,
): void {
  let low = f64x2.splat(0);
  let high = f64x2.splat(0);
  let count: f64 = 0;
  let at = mask;
  const maxima = out + ((<usize>samples) << 2);
  for (let sample = 0; sample < samples; sample++) {
    let least = f32x4.splat(Infinity);
    let most = f32x4.splat(-Infinity);
    for (let row = 0; row < perSample; row++) {
      if (mask) {
        const isReal = load<f32>(at) != 0;
        at += 4;
        if (!isReal) {
          x += (<usize>width) << 2;
          continue;
        }
      }
      count += width;
      const whole = x + ((<usize>(width & ~3)) << 2);
      for (; x < whole; x += 16) {
        const v = v128.load(x);
        least = f32x4.min(least, v);
        most = f32x4.max(most, v);
        low = f64x2.add(low, lowDoubles(v));
        high = f64x2.add(high, highDoubles(v));
      }
      const rest = width & 3;
      if (rest) {
        least = f32x4.min(least, loadPart(x, rest, Infinity));
        most = f32x4.max(most, loadPart(x, rest, -Infinity));
        const v = loadPart(x, rest, 0);
        low = f64x2.add(low, lowDoubles(v));
        high = f64x2.add(high, highDoubles(v));
        x += (<usize>rest) << 2;
      }
    }
    const place = (<usize>sample) << 2;
    store<f32>(out + place, leastLane(least));
    store<f32>(maxima + place, mostLane(most));
  }
  storeParts(count == 0 ? 0 : sumDoubleLanes(low, high) / count, maxima + ((<usize>samples) << 2));
}

/**
 * counts[⌊x/width⌋ + cells/2]++ for each real element, the first and the last cell taking the rest,
 * and Σ (x − center)² in two parts. `inverse` is 1/width, or 0. `mask` 0: every row is real.
 */
export function valueHistogram(
  x: usize, mask: usize, rows: i32, width: i32, cells: i32, inverse: f32, center: f64,
  counts: usize, squares: usize,
): void {
  memory.fill(counts, 0, (<usize>cells) << 2);
  const half = cells >> 1;
  const scale = f32x4.splat(inverse);
  const first = f32x4.splat(<f32>-half);
  const last = f32x4.splat(<f32>(half - 1));
  const middle = f64x2.splat(center);
  // Cell 0 of the positive values.
  const base = counts + ((<usize>half) << 2);
  let low = f64x2.splat(0);
  let high = f64x2.splat(0);
  for (let row = 0; row < rows; row++) {
    if (mask && load<f32>(mask + ((<usize>row) << 2)) == 0) {
      x += (<usize>width) << 2;
      continue;
    }
    const whole = x + ((<usize>(width & ~3)) << 2);
    for (; x < whole; x += 16) {
      const v = v128.load(x);
      const cell = cellsOf(v, scale, first, last);
      addOne(base + i32x4.extract_lane(cell, 0));
      addOne(base + i32x4.extract_lane(cell, 1));
      addOne(base + i32x4.extract_lane(cell, 2));
      addOne(base + i32x4.extract_lane(cell, 3));
      const d0 = f64x2.sub(lowDoubles(v), middle);
      const d1 = f64x2.sub(highDoubles(v), middle);
      low = f64x2.add(low, f64x2.mul(d0, d0));
      high = f64x2.add(high, f64x2.mul(d1, d1));
    }
    const rest = width & 3;
    for (let lane = 0; lane < rest; lane++, x += 4) {
      const v = load<f32>(x);
      addOne(base + i32x4.extract_lane(cellsOf(f32x4.splat(v), scale, first, last), 0));
      const d = <f64>v - center;
      if (lane == 0) low = f64x2.replace_lane(low, 0, f64x2.extract_lane(low, 0) + d * d);
      else if (lane == 1) low = f64x2.replace_lane(low, 1, f64x2.extract_lane(low, 1) + d * d);
      else high = f64x2.replace_lane(high, 0, f64x2.extract_lane(high, 0) + d * d);
    }
  }
  storeParts(sumDoubleLanes(low, high), squares);
}

/** Byte offsets of the cells of four values from the one that begins at 0. */
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
