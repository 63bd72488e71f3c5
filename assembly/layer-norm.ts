/** Layer normalization (src/core/layer-norm.ts) and its gradient. */
import { laneSum, loadPart, storePart, sumLanes } from "./lanes";

/** out = x − mean over n elements; returns √(Σ out²/n + epsilon). */
function centre(x: usize, out: usize, n: i32, epsilon: f32): f32 {
  const mean = f32x4.splat(laneSum(x, n) / <f32>n);
  let lanes = f32x4.splat(0);
  const whole = x + ((<usize>(n & ~3)) << 2);
  for (; x < whole; x += 16, out += 16) {
    const d = f32x4.sub(v128.load(x), mean);
    v128.store(out, d);
    lanes = f32x4.add(lanes, f32x4.mul(d, d));
  }
  const rest = n & 3;
  if (rest) {
    const d = f32x4.sub(loadPart(x, rest, f32x4.extract_lane(mean, 0)), mean);
    storePart(out, d, rest);
    // mean − mean is 0 unless the mean is not finite, and then every lane is NaN anyway.
    lanes = f32x4.add(lanes, f32x4.mul(d, d));
  }
  return sqrt<f32>(sumLanes(lanes) / <f32>n + epsilon);
}

/** out = (x − mean)/deviation·gamma + beta for each row. */
export function layerNorm(
  x: usize, gamma: usize, beta: usize, out: usize,
  rowBegin: i32, rowEnd: i32, width: i32, epsilon: f32,
): void {
  const rowBytes = (<usize>width) << 2;
  const end = (<usize>(width & ~3)) << 2;
  const rest = width & 3;
  for (let row = rowBegin; row < rowEnd; row++) {
    const to = out + <usize>row * rowBytes;
    const deviation = f32x4.splat(centre(x + <usize>row * rowBytes, to, width, epsilon));
    let at: usize = 0;
    for (; at < end; at += 16) {
      const h = f32x4.div(v128.load(to + at), deviation);
      v128.store(to + at, f32x4.add(f32x4.mul(h, v128.load(gamma + at)), v128.load(beta + at)));
    }
    if (rest) {
      const h = f32x4.div(loadPart(to + at, rest, 0), deviation);
      const y = f32x4.mul(h, loadPart(gamma + at, rest, 0));
      storePart(to + at, f32x4.add(y, loadPart(beta + at, rest, 0)), rest);
    }
  }
}

/**
 * With h = (x − mean)/deviation and g = dy·gamma: dx = ((g − mean(g)) − h·mean(g·h))/deviation for
 * each row; dgamma += dy·h and dbeta += dy in the order of the rows, from zero.
 *
 * @param scratch address of width float32
 */
export function layerNormGrad(
  dy: usize, x: usize, gamma: usize, dx: usize, dgamma: usize, dbeta: usize,
  rows: i32, width: i32, epsilon: f32, scratch: usize,
): void {
  const rowBytes = (<usize>width) << 2;
  const end = (<usize>(width & ~3)) << 2;
  const rest = width & 3;
  memory.fill(dgamma, 0, rowBytes);
  memory.fill(dbeta, 0, rowBytes);
  for (let row = 0; row < rows; row++) {
    const from = <usize>row * rowBytes;
    const deviation = f32x4.splat(centre(x + from, scratch, width, epsilon));
    let sumG = f32x4.splat(0);
    let sumGh = f32x4.splat(0);
    let at: usize = 0;
    for (; at < end; at += 16) {
      const h = f32x4.div(v128.load(scratch + at), deviation);
      const d = v128.load(dy + from + at);
      const g = f32x4.mul(d, v128.load(gamma + at));
      v128.store(scratch + at, h);
      sumG = f32x4.add(sumG, g);
      sumGh = f32x4.add(sumGh, f32x4.mul(g, h));
      v128.store(dgamma + at, f32x4.add(v128.load(dgamma + at), f32x4.mul(d, h)));
      v128.store(dbeta + at, f32x4.add(v128.load(dbeta + at), d));
    }
    if (rest) {
      const h = f32x4.div(loadPart(scratch + at, rest, 0), deviation);
      const d = loadPart(dy + from + at, rest, 0);
      const g = f32x4.mul(d, loadPart(gamma + at, rest, 0));
      storePart(scratch + at, h, rest);
      // Beyond the end d is 0, so g and g·h are 0 there, unless h is NaN as everywhere in the row.
      sumG = f32x4.add(sumG, g);
      sumGh = f32x4.add(sumGh, f32x4.mul(g, h));
      storePart(dgamma + at, f32x4.add(loadPart(dgamma + at, rest, 0), f32x4.mul(d, h)), rest);
      storePart(dbeta + at, f32x4.add(loadPart(dbeta + at, rest, 0), d), rest);
    }
    const meanG = f32x4.splat(sumLanes(sumG) / <f32>width);
    const meanGh = f32x4.splat(sumLanes(sumGh) / <f32>width);
    for (at = 0; at < end; at += 16) {
      const g = f32x4.mul(v128.load(dy + from + at), v128.load(gamma + at));
      const part = f32x4.mul(v128.load(scratch + at), meanGh);
      const centred = f32x4.sub(f32x4.sub(g, meanG), part);
      v128.store(dx + from + at, f32x4.div(centred, deviation));
    }
    if (rest) {
      const g = f32x4.mul(loadPart(dy + from + at, rest, 0), loadPart(gamma + at, rest, 0));
      const part = f32x4.mul(loadPart(scratch + at, rest, 0), meanGh);
      const centred = f32x4.sub(f32x4.sub(g, meanG), part);
      storePart(dx + from + at, f32x4.div(centred, deviation), rest);
    }
  }
}
