/** exp32 and log32 of src/core/exp.ts, step by step the same. */

/** e^x of four float32: 0 below −87, Infinity above 88, NaN for NaN. */
// @ts-ignore: decorator
@inline
export function expLanes(x: v128): v128 {
  const n = f32x4.nearest(f32x4.mul(x, f32x4.splat(<f32>1.4426950408889634)));
  const r = f32x4.sub(
    f32x4.sub(x, f32x4.mul(n, f32x4.splat(0.693359375))),
    f32x4.mul(n, f32x4.splat(<f32>-0.00021219444005469057)),
  );
  let q = f32x4.add(
    f32x4.mul(f32x4.splat(<f32>0.00019890991097781807), r),
    f32x4.splat(<f32>0.0013933649752289057),
  );
  q = f32x4.add(f32x4.mul(q, r), f32x4.splat(<f32>0.00833331048488617));
  q = f32x4.add(f32x4.mul(q, r), f32x4.splat(<f32>0.04166646674275398));
  q = f32x4.add(f32x4.mul(q, r), f32x4.splat(<f32>0.1666666716337204));
  q = f32x4.add(f32x4.mul(q, r), f32x4.splat(0.5));
  const y = f32x4.add(f32x4.add(f32x4.mul(q, f32x4.mul(r, r)), r), f32x4.splat(1));
  const exponent = i32x4.add(i32x4.trunc_sat_f32x4_s(n), i32x4.splat(127));
  const e = f32x4.mul(y, i32x4.shl(exponent, 23));
  const isLarge = f32x4.gt(x, f32x4.splat(88));
  const finite = v128.andnot(e, f32x4.lt(x, f32x4.splat(-87)));
  return v128.bitselect(f32x4.splat(Infinity), finite, isLarge);
}

/** ln x: −Infinity for zero and subnormal numbers, NaN for negative numbers and NaN. */
export function log32(x: f32): f32 {
  if (x < 0 || x != x) return NaN;
  if (x < reinterpret<f32>(0x00800000)) return -Infinity;
  if (x == Infinity) return Infinity;
  const bits = reinterpret<i32>(x);
  const exponent = (bits - 0x3f3504f3) >> 23;
  const m: f32 = reinterpret<f32>(bits - (exponent << 23)) - 1;
  let p: f32 = <f32>0.06971611827611923 * m + <f32>-0.11479733884334564;
  p = p * m + <f32>0.11685419827699661;
  p = p * m + <f32>-0.12425687164068222;
  p = p * m + <f32>0.14249058067798615;
  p = p * m + <f32>-0.1666780263185501;
  p = p * m + <f32>0.20000715553760529;
  p = p * m + <f32>-0.2499999701976776;
  p = p * m + <f32>0.3333333134651184;
  const e = <f32>exponent;
  const square: f32 = m * m;
  const rest: f32 = square * m * p + e * <f32>-0.00021219444005469057;
  return m + (rest - <f32>0.5 * square) + e * <f32>0.693359375;
}
