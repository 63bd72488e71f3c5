/**
 * Fake quantization: src/core/quantize.ts. The grid of a channel is six float32 in six arrays of
 * `channels` elements, one after the other: scale, step (scale, or 1 for codes), qmin, qmax, lowest,
 * highest; qmin = qmax = lowest = highest = 0 where the clip counts as zero.
 */
import { highDoubles, loadPart, lowDoubles, storePart, sumDoubleLanes } from "./lanes";

// @ts-ignore: decorator
@inline
export function halfEven(x: v128, scale: v128, step: v128, qmin: v128, qmax: v128): v128 {
  const q = f32x4.nearest(f32x4.div(x, scale));
  // pmax and pmin keep a NaN that stands first; adding 0 turns −0 into 0.
  const code = f32x4.pmin(f32x4.pmax(q, qmin), qmax);
  return f32x4.mul(f32x4.add(code, f32x4.splat(0)), step);
}

// @ts-ignore: decorator
@inline
export function halfUp(
  x: v128, scale: v128, step: v128, qmin: v128, lowest: v128, highest: v128,
): v128 {
  const clamped = f32x4.pmin(f32x4.pmax(x, lowest), highest);
  const fromLowest = f32x4.add(f32x4.div(f32x4.sub(clamped, lowest), scale), qmin);
  return f32x4.mul(f32x4.floor(f32x4.add(fromLowest, f32x4.splat(0.5))), step);
}

/**
 * out = code·step for every element of x, whose element (o, c, i) is at (o·channels + c)·inner + i.
 *
 * @param runBegin first run of inner elements (o·channels + c) and runEnd: the one after the last; with
 *   inner = 1 and several channels: whole rows of channels
 * @param roundsUp 1 for TensorFlow's rounding
 */
export function fakeQuant(
  x: usize, out: usize, runBegin: i32, runEnd: i32, channels: i32, inner: i32,
  grids: usize, roundsUp: i32,
): void {
  if (inner == 1 && channels > 1) {
    for (let run = runBegin; run < runEnd; run += channels) {
      const at = (<usize>run) << 2;
      quantRow(x + at, out + at, channels, grids, roundsUp);
    }
    return;
  }
  const runBytes = (<usize>inner) << 2;
  const rest = inner & 3;
  for (let run = runBegin; run < runEnd; run++) {
    const grid = grids + ((<usize>(run % channels)) << 2);
    const array = (<usize>channels) << 2;
    const scale = v128.load32_splat(grid);
    const step = v128.load32_splat(grid + array);
    const qmin = v128.load32_splat(grid + array * 2);
    const qmax = v128.load32_splat(grid + array * 3);
    const lowest = v128.load32_splat(grid + array * 4);
    const highest = v128.load32_splat(grid + array * 5);
    let from = x + <usize>run * runBytes;
    let to = out + <usize>run * runBytes;
    const end = from + ((<usize>(inner & ~3)) << 2);
    if (roundsUp) {
      for (; from < end; from += 16, to += 16) {
        v128.store(to, halfUp(v128.load(from), scale, step, qmin, lowest, highest));
      }
      if (rest) storePart(to, halfUp(loadPart(from, rest, 0), scale, step, qmin, lowest, highest), rest);
    } else {
      for (; from < end; from += 16, to += 16) {
        v128.store(to, halfEven(v128.load(from), scale, step, qmin, qmax));
      }
      if (rest) storePart(to, halfEven(loadPart(from, rest, 0), scale, step, qmin, qmax), rest);
    }
  }
}

/** One row in which every element has a grid of its own. */
function quantRow(x: usize, out: usize, channels: i32, grids: usize, roundsUp: i32): void {
  const array = (<usize>channels) << 2;
  const end = (<usize>(channels & ~3)) << 2;
  const steps = grids + array;
  const qmins = steps + array;
  const qmaxs = qmins + array;
  const lows = qmaxs + array;
  const highs = lows + array;
  const rest = channels & 3;
  let at: usize = 0;
  if (roundsUp) {
    for (; at < end; at += 16) {
      v128.store(out + at, halfUp(
        v128.load(x + at), v128.load(grids + at), v128.load(steps + at),
        v128.load(qmins + at), v128.load(lows + at), v128.load(highs + at),
      ));
    }
    if (rest) {
      storePart(out + at, halfUp(
        loadPart(x + at, rest, 0), loadPart(grids + at, rest, 1), loadPart(steps + at, rest, 1),
        loadPart(qmins + at, rest, 0), loadPart(lows + at, rest, 0), loadPart(highs + at, rest, 0),
      ), rest);
    }
    return;
  }
  for (; at < end; at += 16) {
    v128.store(out + at, halfEven(
      v128.load(x + at), v128.load(grids + at), v128.load(steps + at),
      v128.load(qmins + at), v128.load(qmaxs + at),
    ));
  }
  if (rest) {
    storePart(out + at, halfEven(
      loadPart(x + at, rest, 0), loadPart(grids + at, rest, 1), loadPart(steps + at, rest, 1),
      loadPart(qmins + at, rest, 0), loadPart(qmaxs + at, rest, 0),
    ), rest);
  }
}

/**
 * dx = dy where lowest ≤ x ≤ highest, else 0; sums[c] = Σ over the runs of channel c of
 * (Σ dy over x > highest) + ratio·(Σ dy over x < lowest), from zero. The sums of a run are made in
 * four float64 lanes.
 *
 * @param lowest address of [channels], then highest as [channels]
 * @param sums address of float64 [channels]
 */
export function fakeQuantGrad(
  dy: usize, x: usize, dx: usize, outer: i32, channels: i32, inner: i32,
  lowest: usize, ratio: f64, sums: usize,
): void {
  memory.fill(sums, 0, (<usize>channels) << 3);
  const highest = lowest + ((<usize>channels) << 2);
  if (inner == 1 && channels > 1) {
    for (let o = 0; o < outer; o++) {
      const at = (<usize>(o * channels)) << 2;
      gradRow(dy + at, x + at, dx + at, channels, lowest, highest, ratio, sums);
    }
    return;
  }
  const runBytes = (<usize>inner) << 2;
  for (let o = 0; o < outer; o++) {
    for (let c = 0; c < channels; c++) {
      const low = load<f32>(lowest + ((<usize>c) << 2));
      const high = load<f32>(highest + ((<usize>c) << 2));
      const share = gradRun(dy, x, dx, inner, low, high, ratio);
      const sum = sums + ((<usize>c) << 3);
      store<f64>(sum, load<f64>(sum) + share);
      dy += runBytes;
      x += runBytes;
      dx += runBytes;
    }
  }
}

/** dx of n elements of one channel; returns their share of the clip's gradient. */
function gradRun(dy: usize, x: usize, dx: usize, n: i32, low: f32, high: f32, ratio: f64): f64 {
  const lowLanes = f32x4.splat(low);
  const highLanes = f32x4.splat(high);
  let above0 = f64x2.splat(0), above1 = f64x2.splat(0);
  let below0 = f64x2.splat(0), below1 = f64x2.splat(0);
  const end = (<usize>(n & ~3)) << 2;
  const rest = n & 3;
  let at: usize = 0;
  for (; at < end; at += 16) {
    const v = v128.load(x + at);
    const d = v128.load(dy + at);
    const inside = v128.and(f32x4.ge(v, lowLanes), f32x4.le(v, highLanes));
    v128.store(dx + at, v128.and(d, inside));
    // Few values are outside: the lanes that are inside would add 0.
    if (i32x4.all_true(inside)) continue;
    const up = v128.and(d, f32x4.gt(v, highLanes));
    const down = v128.and(d, f32x4.lt(v, lowLanes));
    above0 = f64x2.add(above0, lowDoubles(up));
    above1 = f64x2.add(above1, highDoubles(up));
    below0 = f64x2.add(below0, lowDoubles(down));
    below1 = f64x2.add(below1, highDoubles(down));
  }
  if (rest) {
    const v = loadPart(x + at, rest, high);
    const d = loadPart(dy + at, rest, 0);
    const inside = v128.and(f32x4.ge(v, lowLanes), f32x4.le(v, highLanes));
    storePart(dx + at, v128.and(d, inside), rest);
    const up = v128.and(d, f32x4.gt(v, highLanes));
    const down = v128.and(d, f32x4.lt(v, lowLanes));
    above0 = f64x2.add(above0, lowDoubles(up));
    above1 = f64x2.add(above1, highDoubles(up));
    below0 = f64x2.add(below0, lowDoubles(down));
    below1 = f64x2.add(below1, highDoubles(down));
  }
  const above = sumDoubleLanes(above0, above1);
  return ratio == 0 ? above : above + ratio * sumDoubleLanes(below0, below1);
}

/** dx of one row in which every element has a clip of its own. */
function gradRow(
  dy: usize, x: usize, dx: usize, channels: i32,
  lowest: usize, highest: usize, ratio: f64, sums: usize,
): void {
  const end = (<usize>(channels & ~3)) << 2;
  let at: usize = 0;
  for (; at < end; at += 16) {
    const v = v128.load(x + at);
    const low = v128.load(lowest + at);
    const high = v128.load(highest + at);
    const inside = v128.and(f32x4.ge(v, low), f32x4.le(v, high));
    v128.store(dx + at, v128.and(v128.load(dy + at), inside));
    if (i32x4.all_true(inside)) continue;
    for (let lane: usize = 0; lane < 16; lane += 4) {
      addOutside(dy + at + lane, x + at + lane, lowest + at + lane, highest + at + lane, ratio, sums + ((at + lane) << 1));
    }
  }
  const rowEnd = (<usize>channels) << 2;
  for (; at < rowEnd; at += 4) {
    const v = load<f32>(x + at);
    const isInside = v >= load<f32>(lowest + at) && v <= load<f32>(highest + at);
    store<f32>(dx + at, isInside ? load<f32>(dy + at) : 0);
    if (!isInside) addOutside(dy + at, x + at, lowest + at, highest + at, ratio, sums + (at << 1));
  }
}

/** Adds one element's share to the sum of its channel. */
function addOutside(
  dy: usize, x: usize, lowest: usize, highest: usize, ratio: f64, sum: usize,
): void {
  const v = load<f32>(x);
  const d = <f64>load<f32>(dy);
  if (v > load<f32>(highest)) store<f64>(sum, load<f64>(sum) + d);
  else if (v < load<f32>(lowest) && ratio != 0) store<f64>(sum, load<f64>(sum) + ratio * d);
}
