/**
 * Attention of single queries to keys and values that lie where earlier steps have left them:
 * src/core/cached-attention.ts. The keys and values of one position are a cell: those of all heads
 * side by side, float32 values or int8 codes, the values behind the keys.
 */
import { hasNaN } from "./reduce";
import { softmaxRow } from "./softmax";

/** Bytes of scratch memory that {@link cachedAttention} needs, 16-byte aligned. */
export function cachedAttentionScratchBytes(keys: i32, heads: i32, depth: i32): i32 {
  return (((keys + 19) & ~15) << 2) * 2 + (((keys + 23) & ~15) << 1) + (((heads * depth + 15) & ~7) << 1);
}

/**
 * out = softmax(q·kᵀ·factor)·v for rows `rowBegin` to `rowEnd`.
 *
 * The cell of row r at position t: `cells`[t] + ancestors[r, t]·cellBytes where there are ancestors;
 * else that of a memory, cells[0] + (sentences[r]·keys + t)·cellBytes, of which
 * lengths[sentences[r]] positions are real.
 *
 * @param queries address of the first row, whose rows lie queryBytes apart; float32 values or codes
 * @param cells address of int32 addresses
 * @param keyOffset bytes from a cell's begin to its first key
 * @param narrow 1 where cells hold int8 codes and queries codes, 0 for float32 values
 * @param scoreScale what integer sums of the first product are multiplied by
 * @param step scale of the probabilities' grid, 0 where they have none; top: its largest code
 * @param valueScale what integer sums of the second product, or with float probabilities the codes
 *   of values, are multiplied by
 */
export function cachedAttention(
  queries: usize, queryBytes: usize, out: usize,
  rowBegin: i32, rowEnd: i32, heads: i32, depth: i32, keys: i32,
  cells: usize, ancestors: usize, sentences: usize, lengths: usize,
  cellBytes: usize, keyOffset: usize, narrow: i32,
  factor: f32, scoreScale: f32, step: f32, top: f32, roundsUp: i32, valueScale: f32,
  scratch: usize,
): void {
  const units = heads * depth;
  const addresses = scratch;
  const scores = addresses + ((<usize>((keys + 19) & ~15)) << 2);
  const weights = scores + ((<usize>((keys + 19) & ~15)) << 2);
  const codes = weights + ((<usize>((keys + 23) & ~15)) << 1);
  const valueOffset = keyOffset + ((<usize>units) << (narrow ? 0 : 2));
  const elementShift: usize = narrow ? 0 : 2;
  for (let row = rowBegin; row < rowEnd; row++) {
    const q = queries + <usize>row * queryBytes;
    const to = out + ((<usize>row * <usize>units) << 2);
    let n = keys;
    if (ancestors) {
      pastCells(cells, ancestors + ((<usize>row * <usize>keys) << 2), n, cellBytes, addresses);
    } else {
      const sentence = load<i32>(sentences + ((<usize>row) << 2));
      if (lengths) n = max(0, min(n, load<i32>(lengths + ((<usize>sentence) << 2))));
      memoryCells(load<usize>(cells) + <usize>(sentence * keys) * cellBytes, n, cellBytes, addresses);
    }
    if (narrow) queryCodes(q, codes, units);
    for (let head = 0; head < heads; head++) {
      const from = <usize>(head * depth);
      const context = to + (from << 2);
      if (narrow && hasNaN(q + (from << 2), depth)) {
        for (let e = 0; e < depth; e++) store<f32>(context + ((<usize>e) << 2), NaN);
        continue;
      }
      const key = keyOffset + (from << elementShift);
      const value = valueOffset + (from << elementShift);
      if (narrow) scoreCodes(codes + (from << 1), addresses, key, n, depth, scores, scoreScale, factor);
      else scoreValues(q + (from << 2), addresses, key, n, depth, scores, factor);
      softmaxRow(scores, scores, n);
      if (step != 0) toGrid(scores, n, step, narrow ? 1 : step, top, roundsUp);
      if (narrow && step != 0) {
        toShorts(scores, n, weights);
        sumCodes(weights, addresses, value, n, depth, context, valueScale);
      } else if (narrow) {
        sumScaledCodes(scores, addresses, value, n, depth, context, valueScale);
      } else {
        sumValues(scores, addresses, value, n, depth, context);
      }
    }
  }
}

/** Addresses of a row's cells in the tensors of the steps; the last one repeated to fill fours. */
function pastCells(cells: usize, ancestors: usize, n: i32, cellBytes: usize, addresses: usize): void {
  for (let t = 0; t < n; t++) {
    const at = (<usize>t) << 2;
    const row = <usize>load<i32>(ancestors + at);
    store<u32>(addresses + at, <u32>(<usize>load<u32>(cells + at) + row * cellBytes));
  }
  repeatLast(addresses, n);
}

/** Addresses of consecutive cells. */
function memoryCells(first: usize, n: i32, cellBytes: usize, addresses: usize): void {
  for (let t = 0; t < n; t++) {
    store<u32>(addresses + ((<usize>t) << 2), <u32>first);
    first += cellBytes;
  }
  repeatLast(addresses, n);
}

function repeatLast(addresses: usize, n: i32): void {
  if (n == 0) return;
  const last = load<u32>(addresses + ((<usize>(n - 1)) << 2));
  for (let t = n; t & 3; t++) store<u32>(addresses + ((<usize>t) << 2), last);
}

/** Codes from float32 to int16. */
function queryCodes(q: usize, codes: usize, units: i32): void {
  const whole = q + ((<usize>(units & ~7)) << 2);
  for (; q < whole; q += 32, codes += 16) {
    const low = i32x4.trunc_sat_f32x4_s(v128.load(q));
    const high = i32x4.trunc_sat_f32x4_s(v128.load(q, 16));
    v128.store(codes, i16x8.narrow_i32x4_s(low, high));
  }
  for (let i = 0; i < (units & 7); i++) {
    store<i16>(codes + ((<usize>i) << 1), <i16>load<f32>(q + ((<usize>i) << 2)));
  }
}

/** fround(fround(Σ q·k)·scale)·factor for n keys, four at a time; the sums are exact integers. */
function scoreCodes(
  q: usize, addresses: usize, offset: usize, n: i32, depth: i32,
  scores: usize, scale: f32, factor: f32,
): void {
  const scales = f32x4.splat(scale);
  const factors = f32x4.splat(factor);
  const whole = depth & ~7;
  for (let j = 0; j < n; j += 4) {
    const k0 = <usize>load<u32>(addresses) + offset;
    const k1 = <usize>load<u32>(addresses, 4) + offset;
    const k2 = <usize>load<u32>(addresses, 8) + offset;
    const k3 = <usize>load<u32>(addresses, 12) + offset;
    let s0 = i32x4.splat(0), s1 = i32x4.splat(0), s2 = i32x4.splat(0), s3 = i32x4.splat(0);
    for (let d = 0; d < whole; d += 8) {
      const x = v128.load(q + ((<usize>d) << 1));
      s0 = i32x4.add(s0, i32x4.dot_i16x8_s(x, v128.load_ext<i8>(k0 + <usize>d)));
      s1 = i32x4.add(s1, i32x4.dot_i16x8_s(x, v128.load_ext<i8>(k1 + <usize>d)));
      s2 = i32x4.add(s2, i32x4.dot_i16x8_s(x, v128.load_ext<i8>(k2 + <usize>d)));
      s3 = i32x4.add(s3, i32x4.dot_i16x8_s(x, v128.load_ext<i8>(k3 + <usize>d)));
    }
    const s01 = i32x4.add(v128.shuffle<i32>(s0, s1, 0, 4, 1, 5), v128.shuffle<i32>(s0, s1, 2, 6, 3, 7));
    const s23 = i32x4.add(v128.shuffle<i32>(s2, s3, 0, 4, 1, 5), v128.shuffle<i32>(s2, s3, 2, 6, 3, 7));
    let sum = i32x4.add(v128.shuffle<i64>(s01, s23, 0, 2), v128.shuffle<i64>(s01, s23, 1, 3));
    for (let d = whole; d < depth; d++) {
      let k = i32x4.splat(<i32>load<i8>(k0 + <usize>d));
      k = i32x4.replace_lane(k, 1, <i32>load<i8>(k1 + <usize>d));
      k = i32x4.replace_lane(k, 2, <i32>load<i8>(k2 + <usize>d));
      k = i32x4.replace_lane(k, 3, <i32>load<i8>(k3 + <usize>d));
      sum = i32x4.add(sum, i32x4.mul(i32x4.splat(<i32>load<i16>(q + ((<usize>d) << 1))), k));
    }
    const score = f32x4.mul(f32x4.convert_i32x4_s(sum), scales);
    v128.store(scores, f32x4.mul(score, factors));
    addresses += 16;
    scores += 16;
  }
}

/** fround(Σ q·k)·factor for n keys, four at a time; each sum in the order of d. */
function scoreValues(
  q: usize, addresses: usize, offset: usize, n: i32, depth: i32, scores: usize, factor: f32,
): void {
  const factors = f32x4.splat(factor);
  const whole = (<usize>(depth & ~3)) << 2;
  const end = (<usize>depth) << 2;
  for (let j = 0; j < n; j += 4) {
    const k0 = <usize>load<u32>(addresses) + offset;
    const k1 = <usize>load<u32>(addresses, 4) + offset;
    const k2 = <usize>load<u32>(addresses, 8) + offset;
    const k3 = <usize>load<u32>(addresses, 12) + offset;
    let sum = f32x4.splat(0);
    let d: usize = 0;
    for (; d < whole; d += 16) {
      const r0 = v128.load(k0 + d), r1 = v128.load(k1 + d);
      const r2 = v128.load(k2 + d), r3 = v128.load(k3 + d);
      const low01 = v128.shuffle<f32>(r0, r1, 0, 4, 1, 5);
      const low23 = v128.shuffle<f32>(r2, r3, 0, 4, 1, 5);
      const high01 = v128.shuffle<f32>(r0, r1, 2, 6, 3, 7);
      const high23 = v128.shuffle<f32>(r2, r3, 2, 6, 3, 7);
      const from = q + d;
      const c0 = v128.shuffle<i64>(low01, low23, 0, 2), c1 = v128.shuffle<i64>(low01, low23, 1, 3);
      const c2 = v128.shuffle<i64>(high01, high23, 0, 2), c3 = v128.shuffle<i64>(high01, high23, 1, 3);
      sum = f32x4.add(sum, f32x4.mul(v128.load32_splat(from), c0));
      sum = f32x4.add(sum, f32x4.mul(v128.load32_splat(from, 4), c1));
      sum = f32x4.add(sum, f32x4.mul(v128.load32_splat(from, 8), c2));
      sum = f32x4.add(sum, f32x4.mul(v128.load32_splat(from, 12), c3));
    }
    for (; d < end; d += 4) {
      let k = f32x4.splat(load<f32>(k0 + d));
      k = f32x4.replace_lane(k, 1, load<f32>(k1 + d));
      k = f32x4.replace_lane(k, 2, load<f32>(k2 + d));
      k = f32x4.replace_lane(k, 3, load<f32>(k3 + d));
      sum = f32x4.add(sum, f32x4.mul(v128.load32_splat(q + d), k));
    }
    v128.store(scores, f32x4.mul(sum, factors));
    addresses += 16;
    scores += 16;
  }
}

/** Probabilities onto their grid: code·multiplier, in whole fours. */
function toGrid(p: usize, n: i32, scale: f32, multiplier: f32, top: f32, roundsUp: i32): void {
  const scales = f32x4.splat(scale);
  const steps = f32x4.splat(multiplier);
  const zero = f32x4.splat(0);
  const most = f32x4.splat(top);
  const highest = f32x4.splat(top * scale);
  const half = f32x4.splat(0.5);
  const end = p + ((<usize>((n + 3) & ~3)) << 2);
  for (; p < end; p += 16) {
    const x = v128.load(p);
    let code: v128;
    if (roundsUp) {
      const clamped = f32x4.pmin(f32x4.pmax(x, zero), highest);
      code = f32x4.floor(f32x4.add(f32x4.div(clamped, scales), half));
    } else {
      code = f32x4.pmin(f32x4.pmax(f32x4.nearest(f32x4.div(x, scales)), zero), most);
    }
    v128.store(p, f32x4.mul(f32x4.add(code, zero), steps));
  }
}

/** Codes of n probabilities as int16, with a 0 behind an odd number. */
function toShorts(p: usize, n: i32, out: usize): void {
  for (let j = 0; j < n; j++) {
    const code = <i16>load<f32>(p + ((<usize>j) << 2));
    store<i16>(out + ((<usize>j) << 1), code);
  }
  if (n & 1) store<i16>(out + ((<usize>n) << 1), 0);
}

/** fround(Σ p·v)·scale for each element; the sums are exact integers, two keys at a time. */
function sumCodes(
  p: usize, addresses: usize, offset: usize, n: i32, depth: i32, out: usize, scale: f32,
): void {
  const scales = f32x4.splat(scale);
  const end = p + ((<usize>((n + 1) & ~1)) << 1);
  let e = 0;
  for (; e + 8 <= depth; e += 8) {
    let low = i32x4.splat(0), high = i32x4.splat(0);
    const from = offset + <usize>e;
    for (let pair = p, at = addresses; pair < end; pair += 4, at += 8) {
      const both = load<i32>(pair);
      if (both == 0) continue;
      const weights = i32x4.splat(both);
      const v0 = v128.load_ext<i8>(<usize>load<u32>(at) + from);
      const v1 = v128.load_ext<i8>(<usize>load<u32>(at, 4) + from);
      const first = v128.shuffle<i16>(v0, v1, 0, 8, 1, 9, 2, 10, 3, 11);
      const second = v128.shuffle<i16>(v0, v1, 4, 12, 5, 13, 6, 14, 7, 15);
      low = i32x4.add(low, i32x4.dot_i16x8_s(weights, first));
      high = i32x4.add(high, i32x4.dot_i16x8_s(weights, second));
    }
    const to = out + ((<usize>e) << 2);
    v128.store(to, f32x4.mul(f32x4.convert_i32x4_s(low), scales));
    v128.store(to, f32x4.mul(f32x4.convert_i32x4_s(high), scales), 16);
  }
  for (; e < depth; e++) {
    let sum = 0;
    for (let j = 0; j < n; j++) {
      const v = <i32>load<i8>(<usize>load<u32>(addresses + ((<usize>j) << 2)) + offset + <usize>e);
      sum += <i32>load<i16>(p + ((<usize>j) << 1)) * v;
    }
    store<f32>(out + ((<usize>e) << 2), <f32>sum * scale);
  }
}

/** Σ p·fround(v·scale) for each element in the order of the keys, v a code. */
function sumScaledCodes(
  p: usize, addresses: usize, offset: usize, n: i32, depth: i32, out: usize, scale: f32,
): void {
  const scales = f32x4.splat(scale);
  const end = addresses + ((<usize>n) << 2);
  let e = 0;
  for (; e + 4 <= depth; e += 4) {
    let sum = f32x4.splat(0);
    const from = offset + <usize>e;
    for (let at = addresses, weight = p; at < end; at += 4, weight += 4) {
      const bytes = v128.load32_zero(<usize>load<u32>(at) + from);
      const codes = i32x4.extend_low_i16x8_s(i16x8.extend_low_i8x16_s(bytes));
      const v = f32x4.mul(f32x4.convert_i32x4_s(codes), scales);
      sum = f32x4.add(sum, f32x4.mul(v128.load32_splat(weight), v));
    }
    v128.store(out + ((<usize>e) << 2), sum);
  }
  for (; e < depth; e++) {
    let sum: f32 = 0;
    for (let at = addresses, weight = p; at < end; at += 4, weight += 4) {
      const v: f32 = <f32>load<i8>(<usize>load<u32>(at) + offset + <usize>e) * scale;
      sum = sum + load<f32>(weight) * v;
    }
    store<f32>(out + ((<usize>e) << 2), sum);
  }
}

/** Σ p·v for each element in the order of the keys. */
function sumValues(
  p: usize, addresses: usize, offset: usize, n: i32, depth: i32, out: usize,
): void {
  const end = addresses + ((<usize>n) << 2);
  let e = 0;
  for (; e + 16 <= depth; e += 16) {
    let s0 = f32x4.splat(0), s1 = f32x4.splat(0), s2 = f32x4.splat(0), s3 = f32x4.splat(0);
    const from = offset + ((<usize>e) << 2);
    for (let at = addresses, weight = p; at < end; at += 4, weight += 4) {
      const v = <usize>load<u32>(at) + from;
      const w = v128.load32_splat(weight);
      s0 = f32x4.add(s0, f32x4.mul(w, v128.load(v)));
      s1 = f32x4.add(s1, f32x4.mul(w, v128.load(v, 16)));
      s2 = f32x4.add(s2, f32x4.mul(w, v128.load(v, 32)));
      s3 = f32x4.add(s3, f32x4.mul(w, v128.load(v, 48)));
    }
    const to = out + ((<usize>e) << 2);
    v128.store(to, s0);
    v128.store(to, s1, 16);
    v128.store(to, s2, 32);
    v128.store(to, s3, 48);
  }
  for (; e + 4 <= depth; e += 4) {
    let sum = f32x4.splat(0);
    const from = offset + ((<usize>e) << 2);
    for (let at = addresses, weight = p; at < end; at += 4, weight += 4) {
      sum = f32x4.add(sum, f32x4.mul(v128.load32_splat(weight), v128.load(<usize>load<u32>(at) + from)));
    }
    v128.store(out + ((<usize>e) << 2), sum);
  }
  for (; e < depth; e++) {
    let sum: f32 = 0;
    const from = offset + ((<usize>e) << 2);
    for (let at = addresses, weight = p; at < end; at += 4, weight += 4) {
      sum = sum + load<f32>(weight) * load<f32>(<usize>load<u32>(at) + from);
    }
    store<f32>(out + ((<usize>e) << 2), sum);
  }
}

/**
 * Columns of codes as int8: `count` elements from each row's address, whose rows lie inBytes and
 * outBytes apart.
 * @returns the first row with a NaN, or −1
 */
export function narrowCodes(
  x: usize, inBytes: usize, out: usize, outBytes: usize, rows: i32, count: i32,
): i32 {
  const whole = count & ~15;
  for (let row = 0; row < rows; row++) {
    let isNaN = i32x4.splat(0);
    for (let i = 0; i < whole; i += 16) {
      const from = x + ((<usize>i) << 2);
      const a = v128.load(from), b = v128.load(from, 16);
      const c = v128.load(from, 32), d = v128.load(from, 48);
      const unordered = v128.or(
        v128.or(f32x4.ne(a, a), f32x4.ne(b, b)), v128.or(f32x4.ne(c, c), f32x4.ne(d, d)),
      );
      isNaN = v128.or(isNaN, unordered);
      const low = i16x8.narrow_i32x4_s(i32x4.trunc_sat_f32x4_s(a), i32x4.trunc_sat_f32x4_s(b));
      const high = i16x8.narrow_i32x4_s(i32x4.trunc_sat_f32x4_s(c), i32x4.trunc_sat_f32x4_s(d));
      v128.store(out + <usize>i, i8x16.narrow_i16x8_s(low, high));
    }
    for (let i = whole; i < count; i++) {
      const v = load<f32>(x + ((<usize>i) << 2));
      if (v != v) return row;
      store<i8>(out + <usize>i, <i8>v);
    }
    if (v128.any_true(isNaN)) return row;
    x += inBytes;
    out += outBytes;
  }
  return -1;
}
