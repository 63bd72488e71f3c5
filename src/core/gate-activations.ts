/**
 * Sigmoid and hyperbolic tangent in float32 by fixed steps, so that a SIMD kernel that takes the same
 * steps returns the same bits. Every operation below rounds once. Coefficients:
 * scripts/oracles/polynomials.py.
 */
import { exp32 } from "./exp.ts";

const f = Math.fround;

/**
 * 1/(1 + e^−x) in float32, within 2.5 ulp (1.5 from 0 on): with e = exp32(−|x|), 1/(1 + e) for x ≥ 0 and e/(1 + e)
 * below, so that nothing overflows and small results keep their digits.
 * @param x float32
 * @returns exactly 0 below −87, exactly 1 from 17 on, NaN for NaN
 */
export function sigmoid32(x: number): number {
  const e = exp32(-Math.abs(x));
  return f((x < 0 ? e : 1) / f(1 + e));
}

/** From this magnitude on tanh32 is made of the exponential, which cancels too much below. */
export const TANH_SPLIT = 0.625;

/** (tanh x − x)/x³ as a polynomial of x² for |x| ≤ 5/8, highest degree first. */
const T4 = f(-0.006096498109400272);
const T3 = f(0.020997030660510063);
const T2 = f(-0.05385087803006172);
const T1 = f(0.1333276927471161);
const T0 = f(-0.333333283662796);

/**
 * tanh x in float32, within 1.51 ulp (1 below 5/8): with a = |x| and z = a², a + (a·z)·p(z) by Horner's rule below
 * 5/8, else (1 − e)/(1 + e) with e = exp32(−2a); then the sign of x.
 * @param x float32
 * @returns odd to the bit, −0 for −0, exactly ±1 from ±8.67 on, NaN for NaN
 */
export function tanh32(x: number): number {
  const a = Math.abs(x);
  let y: number;
  if (a < TANH_SPLIT) {
    const z = f(a * a);
    let p = f(f(T4 * z) + T3);
    p = f(f(p * z) + T2);
    p = f(f(p * z) + T1);
    p = f(f(p * z) + T0);
    y = f(a + f(f(a * z) * p));
  } else {
    const e = exp32(-2 * a);
    y = f(f(1 - e) / f(1 + e));
  }
  return x < 0 || Object.is(x, -0) ? -y : y;
}
