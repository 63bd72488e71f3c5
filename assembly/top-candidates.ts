/** The best few tokens of each row, straight from logits: src/core/top-candidates.ts. */
import { log32 } from "./exp";
import { expSum } from "./softmax";

/**
 * For each row: log-softmax, score = (logProb + accumulated)·factor, and the `size` best tokens, of
 * equal scores the lower one first; token −1 behind the last where there are fewer. A NaN score ends
 * its row: its token stands first.
 *
 * @param accumulated address of [rows]
 * @param tokens address of int32 [rows, size]; logProbs and scores: of float32
 */
export function topCandidates(
  logits: usize, accumulated: usize, tokens: usize, logProbs: usize, scores: usize,
  rowBegin: i32, rowEnd: i32, classes: i32, size: i32, factor: f32, maskedA: i32, maskedB: i32,
): void {
  for (let row = rowBegin; row < rowEnd; row++) {
    const x = logits + ((<usize>row * <usize>classes) << 2);
    const most = largestNumber(x, classes);
    const logSum = log32(expSum(x, classes, most));
    const start = (<usize>(row * size)) << 2;
    const count = scanRow(
      x, classes, most, logSum, load<f32>(accumulated + ((<usize>row) << 2)), factor,
      maskedA, maskedB, size, tokens + start, logProbs + start, scores + start,
    );
    for (let i = count; i < size; i++) {
      const at = start + ((<usize>i) << 2);
      store<i32>(tokens + at, -1);
      store<f32>(logProbs + at, 0);
      store<f32>(scores + at, 0);
    }
  }
}

/**
 * The largest of n float32 that are not NaN. A NaN makes the sum of exponentials NaN, and so every
 * score of the row; looking for it here would take three times as long.
 */
function largestNumber(x: usize, n: i32): f32 {
  let a = f32x4.splat(-Infinity);
  let b = f32x4.splat(-Infinity);
  const end = x + ((<usize>n) << 2);
  for (; x + 32 <= end; x += 32) {
    // pmax keeps its first operand where it is not less, and so where the other is NaN.
    a = f32x4.pmax(a, v128.load(x));
    b = f32x4.pmax(b, v128.load(x, 16));
  }
  a = f32x4.pmax(a, b);
  let most: f32 = -Infinity;
  for (; x < end; x += 4) {
    const v = load<f32>(x);
    if (v > most) most = v;
  }
  most = max(most, max(f32x4.extract_lane(a, 0), f32x4.extract_lane(a, 1)));
  return max(most, max(f32x4.extract_lane(a, 2), f32x4.extract_lane(a, 3)));
}

/** Four tokens at a time are compared with the worst kept; only where one may enter, one by one. */
function scanRow(
  x: usize, classes: i32, most: f32, logSum: f32, accumulated: f32, factor: f32,
  maskedA: i32, maskedB: i32, size: i32, tokens: usize, logProbs: usize, scores: usize,
): i32 {
  const maxLanes = f32x4.splat(most);
  const logSumLanes = f32x4.splat(logSum);
  const accumulatedLanes = f32x4.splat(accumulated);
  const factorLanes = f32x4.splat(factor);
  let count = 0;
  // NaN, which nothing fails, until `size` tokens are kept.
  let threshold: f32 = NaN;
  for (let first = 0; first < classes; first += 4) {
    const end = min(first + 4, classes);
    const from = x + ((<usize>first) << 2);
    if (count == size && end - first == 4) {
      const logProb = f32x4.sub(f32x4.sub(v128.load(from), maxLanes), logSumLanes);
      const score = f32x4.mul(f32x4.add(logProb, accumulatedLanes), factorLanes);
      if (i32x4.all_true(f32x4.le(score, f32x4.splat(threshold)))) continue;
    }
    for (let token = first; token < end; token++) {
      const logProb: f32 = load<f32>(x + ((<usize>token) << 2)) - most - logSum;
      const total: f32 = logProb + accumulated;
      const score: f32 = total * factor;
      if (score <= threshold || token == maskedA || token == maskedB) continue;
      if (score != score) {
        put(tokens, logProbs, scores, token, total, score);
        return 1;
      }
      let at = (<usize>min(count, size - 1)) << 2;
      for (; at > 0 && load<f32>(scores + at - 4) < score; at -= 4) {
        const before = at - 4;
        put(
          tokens + at, logProbs + at, scores + at,
          load<i32>(tokens + before), load<f32>(logProbs + before), load<f32>(scores + before),
        );
      }
      put(tokens + at, logProbs + at, scores + at, token, total, score);
      if (count < size) count++;
      if (count == size) threshold = load<f32>(scores + ((<usize>(size - 1)) << 2));
    }
  }
  return count;
}

// @ts-ignore: decorator
@inline
function put(tokens: usize, logProbs: usize, scores: usize, token: i32, logProb: f32, score: f32): void {
  store<i32>(tokens, token);
  store<f32>(logProbs, logProb);
  store<f32>(scores, score);
}
