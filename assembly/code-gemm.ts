/**
 * Products of integer codes: int16 by int8 or int16 with int32 sums, scaled to float32 once. The sums are
 * exact, so their order is free: pairs of the common axis are multiplied and added at once.
 */

const NR: i32 = 8;
const MR: i32 = 5;
/** Rows of a that are narrowed at a time. */
const MC: i32 = 120;
const TILE_BYTES: usize = 5 * 8 * 4;

/** Bytes of {@link packCodes}' result for an operand [k, n] of integers of `width` bytes. */
export function packedCodeBytes(n: i32, k: i32, width: i32): i32 {
  return ((n + NR - 1) / NR) * ((k + 1) >> 1) * 16 * width;
}

/** Bytes of scratch memory that {@link codeGemm} needs. */
export function codeGemmScratchBytes(k: i32): i32 {
  return (TILE_BYTES as i32) + MC * rowBytes(k);
}

/** Bytes of a narrowed row: whole pairs, and a pad so that rows share no cache set. */
function rowBytes(k: i32): i32 {
  return ((k + 1) >> 1) * 4 + 32;
}

/**
 * Codes held as float32 in panels of 8 columns: for each pair of the common axis 16 integers, column
 * 0's two, column 1's two, … Zero beyond n and k.
 *
 * @param transB 1 where b is [n, k], else [k, n]
 * @param width bytes of an integer: 1 for codes −128 … 127, 2 for −32768 … 32767
 */
export function packCodes(b: usize, n: i32, k: i32, transB: i32, out: usize, width: i32): void {
  if (width == 1) packPanels<i8>(b, n, k, transB, out);
  else packPanels<i16>(b, n, k, transB, out);
}

function packPanels<T>(b: usize, n: i32, k: i32, transB: i32, out: usize): void {
  const columnStride: usize = transB ? (<usize>k) << 2 : 4;
  const rowStride: usize = transB ? 4 : (<usize>n) << 2;
  for (let jr = 0; jr < n; jr += NR) {
    const nr = min(NR, n - jr);
    for (let p = 0; p < k; p += 2) {
      const from = b + <usize>jr * columnStride + <usize>p * rowStride;
      const isPair = p + 1 < k;
      if (nr == NR && isPair && !transB) {
        const low = wordsOfRow(from);
        const high = wordsOfRow(from + rowStride);
        // Words of the two rows, interleaved.
        const first = i16x8.shuffle(low, high, 0, 8, 1, 9, 2, 10, 3, 11);
        const last = i16x8.shuffle(low, high, 4, 12, 5, 13, 6, 14, 7, 15);
        if (sizeof<T>() == 1) {
          v128.store(out, i8x16.narrow_i16x8_s(first, last));
        } else {
          v128.store(out, first);
          v128.store(out, last, 16);
        }
      } else {
        for (let j = 0; j < NR; j++) {
          const at = from + <usize>j * columnStride;
          const to = out + <usize>j * (2 * sizeof<T>());
          store<T>(to, j < nr ? <T>load<f32>(at) : <T>0);
          store<T>(to + sizeof<T>(), j < nr && isPair ? <T>load<f32>(at + rowStride) : <T>0);
        }
      }
      out += 16 * sizeof<T>();
    }
  }
}

/** Eight float32 codes as int16. */
// @ts-ignore: decorator
@inline
function wordsOfRow(from: usize): v128 {
  return i16x8.narrow_i32x4_s(
    i32x4.trunc_sat_f32x4_s(v128.load(from)),
    i32x4.trunc_sat_f32x4_s(v128.load(from, 16)),
  );
}

/**
 * c[i, j] = fround(fround(Σ a·b)·scales[j]) + bias[j], the last addition rounded by itself.
 *
 * @param a codes held as float32 [m, k], each of them an int16
 * @param b of {@link packCodes}
 * @param width that b was packed with
 * @param scales address of float32 [n]
 * @param bias address of float32 [n], or 0 for none
 * @param scratch address of {@link codeGemmScratchBytes} bytes
 */
export function codeGemm(
  a: usize, b: usize, c: usize, rowBegin: i32, rowEnd: i32, n: i32, k: i32,
  scales: usize, bias: usize, scratch: usize, width: i32,
): void {
  const tile = scratch;
  const narrow = scratch + TILE_BYTES;
  const lda = <usize>rowBytes(k);
  const pairs = (k + 1) >> 1;
  const panelBytes = <usize>(pairs * 16 * width);
  const ldc = (<usize>n) << 2;
  for (let ic = rowBegin; ic < rowEnd; ic += MC) {
    const mc = min(MC, rowEnd - ic);
    for (let i = 0; i < mc; i++) {
      narrowToWords(a + ((<usize>(ic + i) * <usize>k) << 2), k, narrow + <usize>i * lda);
    }
    let panel = b;
    for (let jr = 0; jr < n; jr += NR) {
      const nr = min(NR, n - jr);
      const columns = (<usize>jr) << 2;
      for (let ir = 0; ir < mc; ir += MR) {
        const mr = min(MR, mc - ir);
        const out = c + <usize>(ic + ir) * ldc + columns;
        const rows = narrow + <usize>ir * lda;
        if (mr == MR && nr == NR) {
          multiply(rows, lda, mr, panel, panelBytes, out, ldc, width);
          scaleTile(out, ldc, MR, scales + columns, bias ? bias + columns : 0);
        } else {
          multiply(rows, lda, mr, panel, panelBytes, tile, 32, width);
          scalePart(tile, out, ldc, mr, nr, scales + columns, bias ? bias + columns : 0);
        }
      }
      panel += panelBytes;
    }
  }
}

/** One row of codes as int16. What follows an odd k is multiplied with a zero of b. */
function narrowToWords(from: usize, k: i32, to: usize): void {
  const whole = from + ((<usize>(k & ~7)) << 2);
  for (; from < whole; from += 32, to += 16) {
    v128.store(to, wordsOfRow(from));
  }
  for (let i = k & 7; i > 0; i--, from += 4, to += 2) store<i16>(to, <i16>load<f32>(from));
}

function multiply(
  a: usize, lda: usize, mr: i32, b: usize, panelBytes: usize, c: usize, ldc: usize, width: i32,
): void {
  if (width == 1) multiplyPairs<i8>(a, lda, mr, b, panelBytes, c, ldc);
  else multiplyPairs<i16>(a, lda, mr, b, panelBytes, c, ldc);
}

/** int32 sums of 5 rows by 8 columns; where fewer than 5 rows are left the last one is repeated. */
function multiplyPairs<T>(
  a: usize, lda: usize, mr: i32, b: usize, panelBytes: usize, c: usize, ldc: usize,
): void {
  let a0 = a;
  let a1 = mr > 1 ? a0 + lda : a0;
  let a2 = mr > 2 ? a1 + lda : a1;
  let a3 = mr > 3 ? a2 + lda : a2;
  let a4 = mr > 4 ? a3 + lda : a3;
  const zero = i32x4.splat(0);
  let s00 = zero, s01 = zero, s10 = zero, s11 = zero, s20 = zero, s21 = zero;
  let s30 = zero, s31 = zero, s40 = zero, s41 = zero;
  const end = b + panelBytes;
  while (b < end) {
    const b0 = sizeof<T>() == 1 ? v128.load8x8_s(b) : v128.load(b);
    const b1 = sizeof<T>() == 1 ? v128.load8x8_s(b, 8) : v128.load(b, 16);
    let x = v128.load32_splat(a0);
    s00 = i32x4.add(s00, i32x4.dot_i16x8_s(x, b0)); s01 = i32x4.add(s01, i32x4.dot_i16x8_s(x, b1));
    x = v128.load32_splat(a1);
    s10 = i32x4.add(s10, i32x4.dot_i16x8_s(x, b0)); s11 = i32x4.add(s11, i32x4.dot_i16x8_s(x, b1));
    x = v128.load32_splat(a2);
    s20 = i32x4.add(s20, i32x4.dot_i16x8_s(x, b0)); s21 = i32x4.add(s21, i32x4.dot_i16x8_s(x, b1));
    x = v128.load32_splat(a3);
    s30 = i32x4.add(s30, i32x4.dot_i16x8_s(x, b0)); s31 = i32x4.add(s31, i32x4.dot_i16x8_s(x, b1));
    x = v128.load32_splat(a4);
    s40 = i32x4.add(s40, i32x4.dot_i16x8_s(x, b0)); s41 = i32x4.add(s41, i32x4.dot_i16x8_s(x, b1));
    a0 += 4; a1 += 4; a2 += 4; a3 += 4; a4 += 4;
    b += 16 * sizeof<T>();
  }
  const c1 = c + ldc, c2 = c1 + ldc, c3 = c2 + ldc, c4 = c3 + ldc;
  v128.store(c, s00); v128.store(c, s01, 16);
  v128.store(c1, s10); v128.store(c1, s11, 16);
  v128.store(c2, s20); v128.store(c2, s21, 16);
  v128.store(c3, s30); v128.store(c3, s31, 16);
  v128.store(c4, s40); v128.store(c4, s41, 16);
}

/** Scales int32 sums of 8 columns in place. */
function scaleTile(c: usize, ldc: usize, mr: i32, scales: usize, bias: usize): void {
  const scale0 = v128.load(scales);
  const scale1 = v128.load(scales, 16);
  for (let i = 0; i < mr; i++) {
    let y0 = f32x4.mul(f32x4.convert_i32x4_s(v128.load(c)), scale0);
    let y1 = f32x4.mul(f32x4.convert_i32x4_s(v128.load(c, 16)), scale1);
    if (bias) {
      y0 = f32x4.add(y0, v128.load(bias));
      y1 = f32x4.add(y1, v128.load(bias, 16));
    }
    v128.store(c, y0);
    v128.store(c, y1, 16);
    c += ldc;
  }
}

/** Scales the part of a tile that lies in the result. */
function scalePart(
  tile: usize, c: usize, ldc: usize, mr: i32, nr: i32, scales: usize, bias: usize,
): void {
  for (let i = 0; i < mr; i++) {
    for (let j = 0; j < nr; j++) {
      const at = (<usize>j) << 2;
      let y = <f32>load<i32>(tile + at) * load<f32>(scales + at);
      if (bias) y += load<f32>(bias + at);
      store<f32>(c + at, y);
    }
    tile += 32;
    c += ldc;
  }
}
