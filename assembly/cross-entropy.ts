/** Cross-entropy with label smoothing and its gradient: src/core/cross-entropy.ts. */
import { log32 } from "./exp";
import { highDoubles, loadPart, lowDoubles, maximum, storePart, sumDoubleLanes } from "./lanes";
import { expRow } from "./softmax";

/**
 * For each row: p = softmax(logits), loss = −(atTarget − other)·ln p[target] − other·Σ ln p − perfect.
 */
export function crossEntropy(
  logits: usize, targets: usize, loss: usize, p: usize,
  rowBegin: i32, rowEnd: i32, classes: i32, atTarget: f64, other: f64, perfect: f64,
): void {
  const rowBytes = (<usize>classes) << 2;
  for (let row = rowBegin; row < rowEnd; row++) {
    const x = logits + <usize>row * rowBytes;
    const e = p + <usize>row * rowBytes;
    const most = maximum(x, classes);
    const sum = expRow(x, e, classes, most);
    const sumOfLogits = scaleAndSum(x, e, classes, most, sum);
    const logSum = <f64>log32(sum);
    const at = (<usize>load<i32>(targets + ((<usize>row) << 2))) << 2;
    const target = <f64>(load<f32>(x + at) - most) - logSum;
    const all = sumOfLogits - <f64>classes * logSum;
    const value = -(atTarget - other) * target - other * all - perfect;
    store<f32>(loss + ((<usize>row) << 2), <f32>value);
  }
}

/** Divides e by its sum; returns Σ (x − max) in float64 lanes. */
function scaleAndSum(x: usize, e: usize, n: i32, most: f32, sum: f32): f64 {
  const divisor = f32x4.splat(sum);
  const maxLanes = f32x4.splat(most);
  let low = f64x2.splat(0);
  let high = f64x2.splat(0);
  const whole = x + ((<usize>(n & ~3)) << 2);
  for (; x < whole; x += 16, e += 16) {
    v128.store(e, f32x4.div(v128.load(e), divisor));
    const v = f32x4.sub(v128.load(x), maxLanes);
    low = f64x2.add(low, lowDoubles(v));
    high = f64x2.add(high, highDoubles(v));
  }
  const rest = n & 3;
  if (rest) {
    storePart(e, f32x4.div(loadPart(e, rest, 0), divisor), rest);
    const v = f32x4.sub(loadPart(x, rest, most), maxLanes);
    low = f64x2.add(low, lowDoubles(v));
    high = f64x2.add(high, highDoubles(v));
  }
  return sumDoubleLanes(low, high);
}

/** dlogits = (p − q)·dloss. */
export function crossEntropyGrad(
  dloss: usize, p: usize, targets: usize, dlogits: usize,
  rowBegin: i32, rowEnd: i32, classes: i32, atTarget: f32, other: f32,
): void {
  const rowBytes = (<usize>classes) << 2;
  const otherLanes = f32x4.splat(other);
  for (let row = rowBegin; row < rowEnd; row++) {
    const from = p + <usize>row * rowBytes;
    const to = dlogits + <usize>row * rowBytes;
    const g = load<f32>(dloss + ((<usize>row) << 2));
    const gLanes = f32x4.splat(g);
    const end = (<usize>(classes & ~3)) << 2;
    let at: usize = 0;
    for (; at < end; at += 16) {
      v128.store(to + at, f32x4.mul(f32x4.sub(v128.load(from + at), otherLanes), gLanes));
    }
    const rest = classes & 3;
    if (rest) {
      const part = f32x4.mul(f32x4.sub(loadPart(from + at, rest, 0), otherLanes), gLanes);
      storePart(to + at, part, rest);
    }
    const target = (<usize>load<i32>(targets + ((<usize>row) << 2))) << 2;
    store<f32>(to + target, (load<f32>(from + target) - atTarget) * g);
  }
}
