/** sigmoid32 and tanh32 of src/core/gate-activations.ts, step by step the same. */
import { expLanes } from "./exp";
import { loadUpTo, storeUpTo } from "./lanes";

/** 1/(1 + e^−x) of four float32. */
// @ts-ignore: decorator
@inline
export function sigmoidLanes(x: v128): v128 {
  const one = f32x4.splat(1);
  const e = expLanes(f32x4.neg(f32x4.abs(x)));
  const above = v128.bitselect(e, one, f32x4.lt(x, f32x4.splat(0)));
  return f32x4.div(above, f32x4.add(one, e));
}

/** tanh x of four float32. */
// @ts-ignore: decorator
@inline
export function tanhLanes(x: v128): v128 {
  const one = f32x4.splat(1);
  const a = f32x4.abs(x);
  const z = f32x4.mul(a, a);
  let p = f32x4.add(
    f32x4.mul(f32x4.splat(<f32>-0.006096498109400272), z),
    f32x4.splat(<f32>0.020997030660510063),
  );
  p = f32x4.add(f32x4.mul(p, z), f32x4.splat(<f32>-0.05385087803006172));
  p = f32x4.add(f32x4.mul(p, z), f32x4.splat(<f32>0.1333276927471161));
  p = f32x4.add(f32x4.mul(p, z), f32x4.splat(<f32>-0.333333283662796));
  const small = f32x4.add(a, f32x4.mul(f32x4.mul(a, z), p));
  const e = expLanes(f32x4.mul(a, f32x4.splat(-2)));
  const large = f32x4.div(f32x4.sub(one, e), f32x4.add(one, e));
  const y = v128.bitselect(small, large, f32x4.lt(a, f32x4.splat(0.625)));
  return v128.or(y, v128.and(x, f32x4.splat(-0.0)));
}

/** dσ/dx = y·(1 − y) of a sigmoid's result y. */
// @ts-ignore: decorator
@inline
export function sigmoidSlope(y: v128): v128 {
  return f32x4.mul(y, f32x4.sub(f32x4.splat(1), y));
}

/** 1 − y² of a hyperbolic tangent's result y. */
// @ts-ignore: decorator
@inline
export function tanhSlope(y: v128): v128 {
  return f32x4.sub(f32x4.splat(1), f32x4.mul(y, y));
}

/** out = σ(x) for elements `begin` to `end`; `begin` is a multiple of 4. */
export function sigmoid(x: usize, out: usize, begin: i32, end: i32): void {
  for (let i = begin; i < end; i += 4) {
    const at = (<usize>i) << 2;
    storeUpTo(out + at, sigmoidLanes(loadUpTo(x + at, end - i)), end - i);
  }
}

/** out = tanh x for elements `begin` to `end`; `begin` is a multiple of 4. */
export function tanh(x: usize, out: usize, begin: i32, end: i32): void {
  for (let i = begin; i < end; i += 4) {
    const at = (<usize>i) << 2;
    storeUpTo(out + at, tanhLanes(loadUpTo(x + at, end - i)), end - i);
  }
}
