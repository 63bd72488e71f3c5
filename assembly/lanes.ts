/**
 * Four lanes: element i belongs to lane i mod 4, and a sum is (lane 0 + lane 2) + (lane 1 + lane 3);
 * see src/core/lane-sum.ts. The last elements of a row are loaded with zeros behind them: adding +0
 * leaves a lane as it is.
 */

/** Elements 0 to count−1 (1 to 3) from an address, `fill` in the other lanes. Reads nothing beyond. */
export function loadPart(from: usize, count: i32, fill: f32): v128 {
  let x = f32x4.splat(fill);
  x = f32x4.replace_lane(x, 0, load<f32>(from));
  if (count > 1) x = f32x4.replace_lane(x, 1, load<f32>(from, 4));
  if (count > 2) x = f32x4.replace_lane(x, 2, load<f32>(from, 8));
  return x;
}

/** Stores lanes 0 to count−1 (1 to 3). */
export function storePart(to: usize, x: v128, count: i32): void {
  store<f32>(to, f32x4.extract_lane(x, 0));
  if (count > 1) store<f32>(to, f32x4.extract_lane(x, 1), 4);
  if (count > 2) store<f32>(to, f32x4.extract_lane(x, 2), 8);
}

/** Four elements from an address, or `count` and zeros behind them. */
// @ts-ignore: decorator
@inline
export function loadUpTo(from: usize, count: i32): v128 {
  return count > 3 ? v128.load(from) : loadPart(from, count, 0);
}

/** Stores four lanes, or the first `count`. */
// @ts-ignore: decorator
@inline
export function storeUpTo(to: usize, x: v128, count: i32): void {
  if (count > 3) v128.store(to, x);
  else storePart(to, x, count);
}

/** (lane 0 + lane 2) + (lane 1 + lane 3). */
// @ts-ignore: decorator
@inline
export function sumLanes(x: v128): f32 {
  return (
    f32x4.extract_lane(x, 0) + f32x4.extract_lane(x, 2) +
    (f32x4.extract_lane(x, 1) + f32x4.extract_lane(x, 3))
  );
}

/** Lanes 0 and 1 as float64. */
// @ts-ignore: decorator
@inline
export function lowDoubles(x: v128): v128 {
  return f64x2.promote_low_f32x4(x);
}

/** Lanes 2 and 3 as float64. */
// @ts-ignore: decorator
@inline
export function highDoubles(x: v128): v128 {
  return f64x2.promote_low_f32x4(v128.shuffle<i64>(x, x, 1, 0));
}

/** {@link sumLanes} of four float64 lanes in two vectors. */
// @ts-ignore: decorator
@inline
export function sumDoubleLanes(low: v128, high: v128): f64 {
  return (
    f64x2.extract_lane(low, 0) + f64x2.extract_lane(high, 0) +
    (f64x2.extract_lane(low, 1) + f64x2.extract_lane(high, 1))
  );
}

/** Σ of n float32. */
export function laneSum(x: usize, n: i32): f32 {
  let lanes = f32x4.splat(0);
  const whole = x + ((<usize>(n & ~3)) << 2);
  for (; x < whole; x += 16) lanes = f32x4.add(lanes, v128.load(x));
  if (n & 3) lanes = f32x4.add(lanes, loadPart(x, n & 3, 0));
  return sumLanes(lanes);
}

/** The largest of n float32: NaN if there is one, −Infinity if there is none. */
export function maximum(x: usize, n: i32): f32 {
  let lanes = f32x4.splat(-Infinity);
  const whole = x + ((<usize>(n & ~3)) << 2);
  for (; x < whole; x += 16) lanes = f32x4.max(lanes, v128.load(x));
  if (n & 3) lanes = f32x4.max(lanes, loadPart(x, n & 3, -Infinity));
  return max(
    max(f32x4.extract_lane(lanes, 0), f32x4.extract_lane(lanes, 1)),
    max(f32x4.extract_lane(lanes, 2), f32x4.extract_lane(lanes, 3)),
  );
}
