/**
 * Matrix products of float32 whose right operand is packed once and multiplied often, by few rows at a
 * time: a step of a recurrent layer. Every element is summed as in gemm.ts.
 */
import { copyTile, KC, multiplyRows, NR, packColumns, packRows } from "./gemm";

/** Bytes of a packed operand of k·n elements. */
export function packedBytes(n: i32, k: i32): i32 {
  return (((n + NR - 1) & ~(NR - 1)) * k) << 2;
}

/** Packs b, [k, n] or with transB [n, k]: blocks of the common axis, each in panels of 8 columns. */
export function packRight(b: usize, out: usize, n: i32, k: i32, transB: i32): void {
  for (let pc = 0; pc < k; pc += KC) {
    const kc = min(KC, k - pc);
    if (transB) packRows(b + ((<usize>pc) << 2), k, n, kc, out);
    else packColumns(b + ((<usize>pc * <usize>n) << 2), n, n, kc, out);
    out += <usize>packedBytes(n, kc);
  }
}

/**
 * c [rows, n] = a [rows, k]·b for a packed b.
 * @param tile address of 160 bytes
 */
export function packedProduct(
  a: usize, packed: usize, c: usize, rows: i32, n: i32, k: i32, tile: usize,
): void {
  const lda = (<usize>k) << 2;
  const ldc = (<usize>n) << 2;
  // Tiles of 5 rows and of 4 without a rest where the number of rows allows it.
  const tiles = (rows + 4) / 5;
  const fours = 5 * tiles - rows;
  const fiveRows = fours > tiles ? 0 : 5 * (tiles - fours);
  for (let pc = 0; pc < k; pc += KC) {
    const kc = min(KC, k - pc);
    for (let jr = 0; jr < n; jr += NR) {
      const nr = min(NR, n - jr);
      for (let ir = 0; ir < rows; ) {
        const from = a + <usize>ir * lda + ((<usize>pc) << 2);
        const out = c + <usize>ir * ldc + ((<usize>jr) << 2);
        const isFive = ir < fiveRows;
        const mr = isFive ? 5 : min(4, rows - ir);
        const whole = nr == NR && (isFive || mr == 4);
        const to = whole ? out : tile;
        const ld = whole ? ldc : 32;
        if (!whole && pc > 0) copyTile(out, ldc, tile, 32, mr, nr);
        if (isFive) multiplyRows(from, lda, 5, packed, kc, to, ld, pc == 0);
        else multiplyFour(from, lda, mr, packed, kc, to, ld, pc == 0);
        if (!whole) copyTile(tile, 32, out, ldc, mr, nr);
        ir += mr;
      }
      packed += (<usize>kc) << 5;
    }
  }
}

/** A register tile of 4 × 8; where fewer than 4 rows are left the last one is repeated. */
function multiplyFour(
  a: usize, lda: usize, mr: i32, b: usize, kc: i32, c: usize, ldc: usize, first: bool,
): void {
  let a0 = a;
  let a1 = mr > 1 ? a0 + lda : a0;
  let a2 = mr > 2 ? a1 + lda : a1;
  let a3 = mr > 3 ? a2 + lda : a2;
  const c1 = c + ldc, c2 = c1 + ldc, c3 = c2 + ldc;
  const zero = f32x4.splat(0);
  let s00 = zero, s01 = zero, s10 = zero, s11 = zero;
  let s20 = zero, s21 = zero, s30 = zero, s31 = zero;
  if (!first) {
    s00 = v128.load(c); s01 = v128.load(c, 16);
    s10 = v128.load(c1); s11 = v128.load(c1, 16);
    s20 = v128.load(c2); s21 = v128.load(c2, 16);
    s30 = v128.load(c3); s31 = v128.load(c3, 16);
  }
  const end = b + ((<usize>kc) << 5);
  while (b < end) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    let x = v128.load32_splat(a0);
    s00 = f32x4.add(s00, f32x4.mul(x, b0)); s01 = f32x4.add(s01, f32x4.mul(x, b1));
    x = v128.load32_splat(a1);
    s10 = f32x4.add(s10, f32x4.mul(x, b0)); s11 = f32x4.add(s11, f32x4.mul(x, b1));
    x = v128.load32_splat(a2);
    s20 = f32x4.add(s20, f32x4.mul(x, b0)); s21 = f32x4.add(s21, f32x4.mul(x, b1));
    x = v128.load32_splat(a3);
    s30 = f32x4.add(s30, f32x4.mul(x, b0)); s31 = f32x4.add(s31, f32x4.mul(x, b1));
    a0 += 4; a1 += 4; a2 += 4; a3 += 4;
    b += 32;
  }
  v128.store(c, s00); v128.store(c, s01, 16);
  v128.store(c1, s10); v128.store(c1, s11, 16);
  v128.store(c2, s20); v128.store(c2, s21, 16);
  v128.store(c3, s30); v128.store(c3, s31, 16);
}
