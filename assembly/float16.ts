/** roundFloat16 of src/core/float16.ts, on bits. */
import { loadUpTo, storeUpTo } from "./lanes";

/** The number of binary16 nearest to each of four float32. */
// @ts-ignore: decorator
@inline
function roundLanes(x: v128): v128 {
  const sign = v128.and(x, f32x4.splat(-0.0));
  const m = f32x4.abs(x);
  const odd = v128.and(i32x4.shr_u(m, 13), i32x4.splat(1));
  const carried = i32x4.add(i32x4.add(m, i32x4.splat(0xfff)), odd);
  const normal = v128.and(carried, i32x4.splat(~0x1fff));
  const half = f32x4.splat(0.5);
  const small = f32x4.sub(f32x4.add(m, half), half);
  let y = v128.bitselect(small, normal, f32x4.lt(m, f32x4.splat(<f32>0.00006103515625)));
  y = v128.bitselect(f32x4.splat(Infinity), y, f32x4.ge(m, f32x4.splat(65520)));
  // NaN, whose bits a carry would spoil, stays.
  return v128.bitselect(v128.or(y, sign), x, f32x4.eq(x, x));
}

/** out = x rounded for elements `begin` to `end`; `begin` is a multiple of 4. */
export function roundFloat16(x: usize, out: usize, begin: i32, end: i32): void {
  for (let i = begin; i < end; i += 4) {
    const at = (<usize>i) << 2;
    storeUpTo(out + at, roundLanes(loadUpTo(x + at, end - i)), end - i);
  }
}
