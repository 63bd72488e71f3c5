/** Adam and dropout: elementwise, one float32 rounding for each operation. */
import { loadPart, storePart } from "./lanes";

/**
 * m' = m + (g − m)·part1; v' = v + (g² − v)·part2; value' = value − m'·rate/(√v' + epsilon) for the
 * elements `begin` to `end`, begin a multiple of 4.
 */
export function adam(
  value: usize, gradient: usize, m: usize, v: usize,
  newValue: usize, newM: usize, newV: usize, begin: i32, end: i32,
  rate: f32, part1: f32, part2: f32, epsilon: f32,
): void {
  const rates = f32x4.splat(rate);
  const p1 = f32x4.splat(part1);
  const p2 = f32x4.splat(part2);
  const eps = f32x4.splat(epsilon);
  let at = (<usize>begin) << 2;
  const rest = (end - begin) & 3;
  const whole = ((<usize>(end - rest)) << 2);
  for (; at < whole; at += 16) {
    const g = v128.load(gradient + at);
    const m0 = v128.load(m + at);
    const v0 = v128.load(v + at);
    const m1 = f32x4.add(m0, f32x4.mul(f32x4.sub(g, m0), p1));
    const v1 = f32x4.add(v0, f32x4.mul(f32x4.sub(f32x4.mul(g, g), v0), p2));
    const change = f32x4.div(f32x4.mul(m1, rates), f32x4.add(f32x4.sqrt(v1), eps));
    v128.store(newM + at, m1);
    v128.store(newV + at, v1);
    v128.store(newValue + at, f32x4.sub(v128.load(value + at), change));
  }
  if (rest) {
    const g = loadPart(gradient + at, rest, 0);
    const m0 = loadPart(m + at, rest, 0);
    const v0 = loadPart(v + at, rest, 0);
    const m1 = f32x4.add(m0, f32x4.mul(f32x4.sub(g, m0), p1));
    const v1 = f32x4.add(v0, f32x4.mul(f32x4.sub(f32x4.mul(g, g), v0), p2));
    const change = f32x4.div(f32x4.mul(m1, rates), f32x4.add(f32x4.sqrt(v1), eps));
    storePart(newM + at, m1, rest);
    storePart(newV + at, v1, rest);
    storePart(newValue + at, f32x4.sub(loadPart(value + at, rest, 0), change), rest);
  }
}

/** mixBits of src/core/dropout-hash.ts. */
// @ts-ignore: decorator
@inline
function mixLanes(bits: v128): v128 {
  const multiplier = i32x4.splat(0x045d9f3b);
  let x = i32x4.mul(v128.xor(bits, i32x4.shr_u(bits, 16)), multiplier);
  x = i32x4.mul(v128.xor(x, i32x4.shr_u(x, 16)), multiplier);
  return v128.xor(x, i32x4.shr_u(x, 16));
}

/** out = x/keep where the element's hash reaches the threshold, else 0; elements `begin` (a multiple of 4) to `end`. */
export function dropout(
  x: usize, out: usize, begin: i32, end: i32, mixedSeed: i32, threshold: i32, keep: f32,
): void {
  const stride = i32x4.splat(0x9e3779b1);
  const seed = i32x4.splat(mixedSeed);
  const least = i32x4.splat(threshold);
  const divisor = f32x4.splat(keep);
  const four = i32x4.splat(4);
  let position = i32x4.add(i32x4.splat(begin), i32x4(0, 1, 2, 3));
  const rest = (end - begin) & 3;
  let at = (<usize>begin) << 2;
  const whole = (<usize>(end - rest)) << 2;
  for (; at < whole; at += 16) {
    const hash = mixLanes(v128.xor(seed, i32x4.mul(position, stride)));
    const kept = f32x4.div(v128.load(x + at), divisor);
    v128.store(out + at, v128.and(kept, i32x4.ge_u(hash, least)));
    position = i32x4.add(position, four);
  }
  if (rest) {
    const hash = mixLanes(v128.xor(seed, i32x4.mul(position, stride)));
    const kept = f32x4.div(loadPart(x + at, rest, 0), divisor);
    storePart(out + at, v128.and(kept, i32x4.ge_u(hash, least)), rest);
  }
}
