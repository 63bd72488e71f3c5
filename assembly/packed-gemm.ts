/**
 * Matrix products of float32 whose right operand is packed once and multiplied often, by few rows at a
 * time: a step of a recurrent layer. Every element is summed as in gemm.ts.
 */
import { copyTile, KC, multiplyFour, multiplyRows, NR, packColumns, packRows } from "./gemm";

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
