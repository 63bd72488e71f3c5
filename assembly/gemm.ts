/**
 * Matrix products of float32. Every element of the result is summed in the order of the common axis,
 * acc = fround(acc + fround(a·b)) from +0, whatever the sizes, the layout or the number of threads:
 * blocks of the common axis go on from the sums that the block before has stored.
 *
 * Panels as in Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication" (2008): b is
 * packed in panels of 8 columns, a is transposed in blocks where it must be and read in place where not; the inner kernel keeps a tile of 5 × 8 sums in registers.
 */

/** Rows and columns of the register tile. */
const MR: i32 = 5;
export const NR: i32 = 8;
/** Block sizes of the common axis, of rows and of columns. */
export const KC: i32 = 256;
const MC: i32 = 120;
const NC: i32 = 512;

export const TILE_BYTES: usize = 5 * 8 * 4;
/** Rows of transposed a lie this far beyond a multiple of 1 KiB, so that they share no cache set. */
const ROW_PADDING: usize = 64;
const PACKED_A_BYTES: usize = 120 * (256 * 4 + 64);
const PACKED_B_BYTES: usize = 512 * 256 * 4;

/** Bytes of scratch memory that {@link gemm} needs, 16-byte aligned. */
export function gemmScratchBytes(): i32 {
  return (TILE_BYTES + PACKED_A_BYTES + PACKED_B_BYTES) as i32;
}

/**
 * c[i] = op(a[i])·op(b[i]) + bias for each of `count` products whose matrices lie `strideA`,
 * `strideB` and `strideC` bytes apart; row-major.
 *
 * @param transA 1 where a is [k, m], else [m, k]; transB 1 where b is [n, k], else [k, n]
 * @param bias address of [n], added as a separate rounding; 0 for none
 * @param scratch address of {@link gemmScratchBytes} bytes
 */
export function gemm(
  a: usize, b: usize, c: usize,
  m: i32, n: i32, k: i32,
  transA: i32, transB: i32,
  count: i32, strideA: usize, strideB: usize, strideC: usize,
  bias: usize, scratch: usize,
): void {
  for (let i = 0; i < count; i++) {
    gemmRows(a, b, c, m, n, k, transA, transB, 0, m, bias, scratch);
    a += strideA;
    b += strideB;
    c += strideC;
  }
}

/** Rows `rowBegin` to `rowEnd` of one product of {@link gemm}. */
export function gemmRows(
  a: usize, b: usize, c: usize,
  m: i32, n: i32, k: i32,
  transA: i32, transB: i32,
  rowBegin: i32, rowEnd: i32,
  bias: usize, scratch: usize,
): void {
  if (k == 0) {
    fillRows(c, n, rowBegin, rowEnd, bias);
    return;
  }
  const tile = scratch;
  const packedA = scratch + TILE_BYTES;
  const packedB = packedA + PACKED_A_BYTES;
  const ldc = (<usize>n) << 2;
  for (let jc = 0; jc < n; jc += NC) {
    const nc = min(NC, n - jc);
    for (let pc = 0; pc < k; pc += KC) {
      const kc = min(KC, k - pc);
      const first = pc == 0;
      const last = pc + kc == k;
      if (transB) packRows(b + ((<usize>jc * <usize>k + <usize>pc) << 2), k, nc, kc, packedB);
      else packColumns(b + ((<usize>pc * <usize>n + <usize>jc) << 2), n, nc, kc, packedB);
      for (let ic = rowBegin; ic < rowEnd; ic += MC) {
        const mc = min(MC, rowEnd - ic);
        let rows = a + ((<usize>ic * <usize>k + <usize>pc) << 2);
        let lda = (<usize>k) << 2;
        if (transA) {
          packA(a + ((<usize>pc * <usize>m + <usize>ic) << 2), m, mc, kc, packedA);
          rows = packedA;
          lda = ((<usize>kc) << 2) + ROW_PADDING;
        }
        for (let jr = 0; jr < nc; jr += NR) {
          const panel = packedB + ((<usize>jr * <usize>kc) << 2);
          const nr = min(NR, nc - jr);
          const columnBias = last && bias != 0 ? bias + ((<usize>(jc + jr)) << 2) : 0;
          for (let ir = 0; ir < mc; ir += MR) {
            const mr = min(MR, mc - ir);
            const out = c + ((<usize>(ic + ir) * <usize>n + <usize>(jc + jr)) << 2);
            const whole = mr == MR && nr == NR;
            let to = out;
            let ld = ldc;
            if (!whole) {
              to = tile;
              ld = 32;
              if (!first) copyTile(out, ldc, tile, 32, mr, nr);
            }
            multiplyRows(rows + <usize>ir * lda, lda, mr, panel, kc, to, ld, first);
            if (!whole) copyTile(tile, 32, out, ldc, mr, nr);
            if (columnBias) addBias(out, ldc, columnBias, mr, nr);
          }
        }
      }
    }
  }
}

/** The product over an empty axis: 0 + bias. */
function fillRows(c: usize, n: i32, rowBegin: i32, rowEnd: i32, bias: usize): void {
  for (let i = rowBegin; i < rowEnd; i++) {
    const row = c + ((<usize>i * <usize>n) << 2);
    for (let j = 0; j < n; j++) {
      const at = (<usize>j) << 2;
      store<f32>(row + at, bias != 0 ? <f32>0 + load<f32>(bias + at) : 0);
    }
  }
}

/** b [k, n], nc columns from its address: panels [kc, 8], zero beyond nc. */
export function packColumns(b: usize, n: i32, nc: i32, kc: i32, out: usize): void {
  const ld = (<usize>n) << 2;
  for (let jr = 0; jr < nc; jr += NR) {
    let from = b + ((<usize>jr) << 2);
    if (nc - jr >= NR) {
      for (let p = 0; p < kc; p++) {
        v128.store(out, v128.load(from));
        v128.store(out, v128.load(from, 16), 16);
        from += ld;
        out += 32;
      }
    } else {
      const nr = nc - jr;
      for (let p = 0; p < kc; p++) {
        v128.store(out, f32x4.splat(0));
        v128.store(out, f32x4.splat(0), 16);
        for (let j = 0; j < nr; j++) {
          const at = (<usize>j) << 2;
          store<f32>(out + at, load<f32>(from + at));
        }
        from += ld;
        out += 32;
      }
    }
  }
}

/** b [n, k], nc rows from its address: panels [kc, 8], zero beyond nc. */
export function packRows(b: usize, k: i32, nc: i32, kc: i32, out: usize): void {
  const ld = (<usize>k) << 2;
  for (let jr = 0; jr < nc; jr += NR) {
    const nr = min(NR, nc - jr);
    const from = b + <usize>jr * ld;
    if (nr == NR) packEightRows(from, ld, kc, out);
    else {
      for (let p = 0; p < kc; p++) {
        for (let j = 0; j < NR; j++) {
          const value = j < nr ? load<f32>(from + <usize>j * ld + ((<usize>p) << 2)) : 0;
          store<f32>(out + ((<usize>(p * NR + j)) << 2), value);
        }
      }
    }
    out += ((<usize>(kc * NR)) << 2);
  }
}

/** Eight rows of kc elements, transposed in blocks of 4 × 4. */
function packEightRows(from: usize, ld: usize, kc: i32, out: usize): void {
  const whole = kc & ~3;
  for (let p = 0; p < whole; p += 4) {
    transposeFour(from, ld, out, 32);
    transposeFour(from + (ld << 2), ld, out + 16, 32);
    from += 16;
    out += 128;
  }
  for (let p = whole; p < kc; p++) {
    for (let j = 0; j < NR; j++) store<f32>(out + ((<usize>j) << 2), load<f32>(from + <usize>j * ld));
    from += 4;
    out += 32;
  }
}

/** A block of 4 rows × 4 columns, written as 4 rows that were columns. */
// @ts-ignore: decorator
@inline
function transposeFour(from: usize, ld: usize, out: usize, ldOut: usize): void {
  const r0 = v128.load(from);
  const r1 = v128.load(from + ld);
  const r2 = v128.load(from + (ld << 1));
  const r3 = v128.load(from + ld * 3);
  const low01 = v128.shuffle<f32>(r0, r1, 0, 4, 1, 5);
  const high01 = v128.shuffle<f32>(r0, r1, 2, 6, 3, 7);
  const low23 = v128.shuffle<f32>(r2, r3, 0, 4, 1, 5);
  const high23 = v128.shuffle<f32>(r2, r3, 2, 6, 3, 7);
  v128.store(out, v128.shuffle<i64>(low01, low23, 0, 2));
  v128.store(out + ldOut, v128.shuffle<i64>(low01, low23, 1, 3));
  v128.store(out + (ldOut << 1), v128.shuffle<i64>(high01, high23, 0, 2));
  v128.store(out + ldOut * 3, v128.shuffle<i64>(high01, high23, 1, 3));
}

/** a [k, m], mc columns from its address: transposed to rows of kc elements. */
function packA(a: usize, m: i32, mc: i32, kc: i32, out: usize): void {
  const ld = (<usize>m) << 2;
  const ldOut = ((<usize>kc) << 2) + ROW_PADDING;
  const wholeRows = mc & ~3;
  const wholeColumns = kc & ~3;
  for (let p = 0; p < wholeColumns; p += 4) {
    const from = a + <usize>p * ld;
    const to = out + ((<usize>p) << 2);
    for (let i = 0; i < wholeRows; i += 4) {
      transposeFour(from + ((<usize>i) << 2), ld, to + <usize>i * ldOut, ldOut);
    }
    for (let i = wholeRows; i < mc; i++) packElements(from, ld, i, 4, to + <usize>i * ldOut);
  }
  const rest = kc - wholeColumns;
  if (rest == 0) return;
  const from = a + <usize>wholeColumns * ld;
  const to = out + ((<usize>wholeColumns) << 2);
  for (let i = 0; i < mc; i++) packElements(from, ld, i, rest, to + <usize>i * ldOut);
}

/** `count` elements of column i of rows that lie ld bytes apart. */
function packElements(from: usize, ld: usize, i: i32, count: i32, out: usize): void {
  for (let p = 0; p < count; p++) {
    store<f32>(out + ((<usize>p) << 2), load<f32>(from + <usize>p * ld + ((<usize>i) << 2)));
  }
}

/**
 * The register tile over rows of a in place: 5 rows, or 4; where fewer are left the last one is repeated.
 * @param isFive a constant, so that each caller has code without branches
 */
// @ts-ignore: decorator
@inline
function multiplyInPlace(
  a: usize, lda: usize, mr: i32, b: usize, kc: i32, c: usize, ldc: usize, first: bool, isFive: bool,
): void {
  let a0 = a;
  let a1 = mr > 1 ? a0 + lda : a0;
  let a2 = mr > 2 ? a1 + lda : a1;
  let a3 = mr > 3 ? a2 + lda : a2;
  let a4 = mr > 4 ? a3 + lda : a3;
  const c1 = c + ldc, c2 = c1 + ldc, c3 = c2 + ldc, c4 = c3 + ldc;
  const zero = f32x4.splat(0);
  let s00 = zero, s01 = zero, s10 = zero, s11 = zero, s20 = zero, s21 = zero;
  let s30 = zero, s31 = zero, s40 = zero, s41 = zero;
  if (!first) {
    s00 = v128.load(c); s01 = v128.load(c, 16);
    s10 = v128.load(c1); s11 = v128.load(c1, 16);
    s20 = v128.load(c2); s21 = v128.load(c2, 16);
    s30 = v128.load(c3); s31 = v128.load(c3, 16);
    if (isFive) { s40 = v128.load(c4); s41 = v128.load(c4, 16); }
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
    if (isFive) {
      x = v128.load32_splat(a4);
      s40 = f32x4.add(s40, f32x4.mul(x, b0)); s41 = f32x4.add(s41, f32x4.mul(x, b1));
      a4 += 4;
    }
    a0 += 4; a1 += 4; a2 += 4; a3 += 4;
    b += 32;
  }
  v128.store(c, s00); v128.store(c, s01, 16);
  v128.store(c1, s10); v128.store(c1, s11, 16);
  v128.store(c2, s20); v128.store(c2, s21, 16);
  v128.store(c3, s30); v128.store(c3, s31, 16);
  if (isFive) { v128.store(c4, s40); v128.store(c4, s41, 16); }
}

/** The register tile of 5 × 8 over rows of a in place. */
export function multiplyRows(
  a: usize, lda: usize, mr: i32, b: usize, kc: i32, c: usize, ldc: usize, first: bool,
): void {
  multiplyInPlace(a, lda, mr, b, kc, c, ldc, first, true);
}

/** The register tile of 4 × 8 over rows of a in place. */
export function multiplyFour(
  a: usize, lda: usize, mr: i32, b: usize, kc: i32, c: usize, ldc: usize, first: bool,
): void {
  multiplyInPlace(a, lda, mr, b, kc, c, ldc, first, false);
}

/** Copies the part of a tile that lies in the result. */
export function copyTile(from: usize, ldFrom: usize, to: usize, ldTo: usize, mr: i32, nr: i32): void {
  for (let i = 0; i < mr; i++) {
    for (let j = 0; j < nr; j++) {
      const at = (<usize>j) << 2;
      store<f32>(to + at, load<f32>(from + at));
    }
    from += ldFrom;
    to += ldTo;
  }
}

function addBias(c: usize, ldc: usize, bias: usize, mr: i32, nr: i32): void {
  if (nr == NR) {
    const b0 = v128.load(bias);
    const b1 = v128.load(bias, 16);
    for (let i = 0; i < mr; i++) {
      v128.store(c, f32x4.add(v128.load(c), b0));
      v128.store(c, f32x4.add(v128.load(c, 16), b1), 16);
      c += ldc;
    }
    return;
  }
  for (let i = 0; i < mr; i++) {
    for (let j = 0; j < nr; j++) {
      const at = (<usize>j) << 2;
      store<f32>(c + at, load<f32>(c + at) + load<f32>(bias + at));
    }
    c += ldc;
  }
}
