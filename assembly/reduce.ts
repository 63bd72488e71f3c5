/** Sums over rows, over segments and of squares. */
import { highDoubles, loadPart, lowDoubles, storePart, sumDoubleLanes } from "./lanes";

/** out = Σ over rows of x [rows, n], added in the order of the rows from zero. */
export function columnSum(x: usize, out: usize, rows: i32, n: i32): void {
  const rowBytes = (<usize>n) << 2;
  memory.fill(out, 0, rowBytes);
  for (let row = 0; row < rows; row++) {
    addRow(x, out, n);
    x += rowBytes;
  }
}

/** to += x over n elements. */
// @ts-ignore: decorator
@inline
function addRow(x: usize, to: usize, n: i32): void {
  const whole = x + ((<usize>(n & ~3)) << 2);
  for (; x < whole; x += 16, to += 16) v128.store(to, f32x4.add(v128.load(to), v128.load(x)));
  const rest = n & 3;
  if (rest) storePart(to, f32x4.add(loadPart(to, rest, 0), loadPart(x, rest, 0)), rest);
}

/**
 * out[ids[i]] += x[i] for i = 0 … rows−1, from zero; rows of `width` elements.
 * @returns the position of the first id outside 0 … count−1, or −1
 */
export function segmentSum(x: usize, ids: usize, out: usize, rows: i32, width: i32, count: i32): i32 {
  const rowBytes = (<usize>width) << 2;
  memory.fill(out, 0, <usize>count * rowBytes);
  for (let i = 0; i < rows; i++) {
    const id = load<i32>(ids + ((<usize>i) << 2));
    if (<u32>id >= <u32>count) return i;
    addRow(x, out + <usize>id * rowBytes, width);
    x += rowBytes;
  }
  return -1;
}

/**
 * out[i] = table[ids[i]]; rows of `width` elements.
 * @returns the position of the first id outside 0 … count−1, or −1
 */
export function lookUp(table: usize, ids: usize, out: usize, rows: i32, width: i32, count: i32): i32 {
  const rowBytes = (<usize>width) << 2;
  for (let i = 0; i < rows; i++) {
    const id = load<i32>(ids + ((<usize>i) << 2));
    if (<u32>id >= <u32>count) return i;
    memory.copy(out, table + <usize>id * rowBytes, rowBytes);
    out += rowBytes;
  }
  return -1;
}

/** Σ x² over n elements in four float64 lanes. */
export function squareSum(x: usize, n: i32): f64 {
  let low = f64x2.splat(0);
  let high = f64x2.splat(0);
  const whole = x + ((<usize>(n & ~3)) << 2);
  for (; x < whole; x += 16) {
    const v = v128.load(x);
    const v0 = lowDoubles(v);
    const v1 = highDoubles(v);
    low = f64x2.add(low, f64x2.mul(v0, v0));
    high = f64x2.add(high, f64x2.mul(v1, v1));
  }
  const rest = n & 3;
  if (rest) {
    const v = loadPart(x, rest, 0);
    const v0 = lowDoubles(v);
    const v1 = highDoubles(v);
    low = f64x2.add(low, f64x2.mul(v0, v0));
    high = f64x2.add(high, f64x2.mul(v1, v1));
  }
  return sumDoubleLanes(low, high);
}

/** 1 where one of n float32 is NaN. */
export function hasNaN(x: usize, n: i32): i32 {
  const whole = x + ((<usize>(n & ~3)) << 2);
  let found = i32x4.splat(0);
  for (; x < whole; x += 16) {
    const v = v128.load(x);
    found = v128.or(found, f32x4.ne(v, v));
  }
  if (n & 3) {
    const v = loadPart(x, n & 3, 0);
    found = v128.or(found, f32x4.ne(v, v));
  }
  return v128.any_true(found) ? 1 : 0;
}
