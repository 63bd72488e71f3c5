/** Softmax over visible keys, its gradient, and log-softmax: src/core/softmax.ts. */
import { expLanes, log32 } from "./exp";
import { loadPart, maximum, storePart, sumLanes } from "./lanes";

/**
 * For each row: probabilities of its visible leading columns, 0 elsewhere. Row r sees
 * min(lengths[r / rowsPerBatch], columns, r mod queries + ahead) columns.
 *
 * @param lengths address of int32 [batch], or 0 where all columns are real
 */
export function attentionSoftmax(
  x: usize, out: usize, rowBegin: i32, rowEnd: i32, columns: i32,
  lengths: usize, rowsPerBatch: i32, queries: i32, ahead: i32,
): void {
  const rowBytes = (<usize>columns) << 2;
  for (let row = rowBegin; row < rowEnd; row++) {
    let visible = min(columns, (row % queries) + ahead);
    if (lengths) visible = min(visible, load<i32>(lengths + ((<usize>(row / rowsPerBatch)) << 2)));
    visible = max(visible, 0);
    const at = <usize>row * rowBytes;
    softmaxRow(x + at, out + at, visible);
    memory.fill(out + at + ((<usize>visible) << 2), 0, (<usize>(columns - visible)) << 2);
  }
}

/** out_i = exp32(x_i − max) / Σ over n elements; nothing where n is 0. */
export function softmaxRow(x: usize, out: usize, n: i32): void {
  const sum = expRow(x, out, n, maximum(x, n));
  divideRow(out, n, sum);
}

/** out_i = exp32(x_i − max); returns their sum. */
export function expRow(x: usize, out: usize, n: i32, most: f32): f32 {
  const maxLanes = f32x4.splat(most);
  let lanes = f32x4.splat(0);
  const whole = x + ((<usize>(n & ~3)) << 2);
  for (; x < whole; x += 16, out += 16) {
    const e = expLanes(f32x4.sub(v128.load(x), maxLanes));
    v128.store(out, e);
    lanes = f32x4.add(lanes, e);
  }
  const rest = n & 3;
  if (rest) {
    // exp32(−Infinity) is 0 and so leaves the lanes beyond the end out of the sum; but NaN − … stays.
    const e = expLanes(f32x4.sub(loadPart(x, rest, -Infinity), maxLanes));
    storePart(out, e, rest);
    lanes = f32x4.add(lanes, partOf(e, rest));
  }
  return sumLanes(lanes);
}

/** Σ exp32(x_i − max), in the order of {@link expRow}. */
export function expSum(x: usize, n: i32, most: f32): f32 {
  const maxLanes = f32x4.splat(most);
  let lanes = f32x4.splat(0);
  const whole = x + ((<usize>(n & ~3)) << 2);
  for (; x < whole; x += 16) {
    lanes = f32x4.add(lanes, expLanes(f32x4.sub(v128.load(x), maxLanes)));
  }
  const rest = n & 3;
  if (rest) {
    const e = expLanes(f32x4.sub(loadPart(x, rest, -Infinity), maxLanes));
    lanes = f32x4.add(lanes, partOf(e, rest));
  }
  return sumLanes(lanes);
}

/** The first lanes of x, 0 in the others. */
function partOf(x: v128, count: i32): v128 {
  if (count < 2) x = f32x4.replace_lane(x, 1, 0);
  if (count < 3) x = f32x4.replace_lane(x, 2, 0);
  return f32x4.replace_lane(x, 3, 0);
}

function divideRow(x: usize, n: i32, by: f32): void {
  const divisor = f32x4.splat(by);
  const whole = x + ((<usize>(n & ~3)) << 2);
  for (; x < whole; x += 16) v128.store(x, f32x4.div(v128.load(x), divisor));
  const rest = n & 3;
  if (rest) storePart(x, f32x4.div(loadPart(x, rest, 0), divisor), rest);
}

/** ds = p·(dp − Σ dp·p) for each row. */
export function softmaxGrad(
  dp: usize, p: usize, ds: usize, rowBegin: i32, rowEnd: i32, columns: i32,
): void {
  const rowBytes = (<usize>columns) << 2;
  const rest = columns & 3;
  for (let row = rowBegin; row < rowEnd; row++) {
    const start = <usize>row * rowBytes;
    const whole = start + ((<usize>(columns & ~3)) << 2);
    let lanes = f32x4.splat(0);
    let at = start;
    for (; at < whole; at += 16) {
      lanes = f32x4.add(lanes, f32x4.mul(v128.load(p + at), v128.load(dp + at)));
    }
    if (rest) {
      lanes = f32x4.add(lanes, f32x4.mul(loadPart(p + at, rest, 0), loadPart(dp + at, rest, 0)));
    }
    const dot = f32x4.splat(sumLanes(lanes));
    for (at = start; at < whole; at += 16) {
      const centred = f32x4.sub(v128.load(dp + at), dot);
      v128.store(ds + at, f32x4.mul(v128.load(p + at), centred));
    }
    if (rest) {
      const centred = f32x4.sub(loadPart(dp + at, rest, 0), dot);
      storePart(ds + at, f32x4.mul(loadPart(p + at, rest, 0), centred), rest);
    }
  }
}

/** out_i = (x_i − max) − log32(Σ exp32(x_j − max)) for each row. */
export function logSoftmax(x: usize, out: usize, rowBegin: i32, rowEnd: i32, columns: i32): void {
  const rowBytes = (<usize>columns) << 2;
  for (let row = rowBegin; row < rowEnd; row++) {
    let from = x + <usize>row * rowBytes;
    let to = out + <usize>row * rowBytes;
    const most = maximum(from, columns);
    const logSum = f32x4.splat(log32(expRow(from, to, columns, most)));
    const maxLanes = f32x4.splat(most);
    const whole = from + ((<usize>(columns & ~3)) << 2);
    for (; from < whole; from += 16, to += 16) {
      v128.store(to, f32x4.sub(f32x4.sub(v128.load(from), maxLanes), logSum));
    }
    const rest = columns & 3;
    if (rest) {
      const shifted = f32x4.sub(loadPart(from, rest, 0), maxLanes);
      storePart(to, f32x4.sub(shifted, logSum), rest);
    }
  }
}
