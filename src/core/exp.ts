/**
 * Exponential and logarithm in float32 by fixed polynomials, so that a SIMD kernel that takes the
 * same steps returns the same bits: only +, −, ×, rounding to an integer, exponent bits.
 * Every line below that assigns a float32 rounds once for each operation. Coefficients:
 * scripts/oracles/polynomials.py.
 */
import { HALF_EVEN_SHIFT } from "./affine.ts";

const f = Math.fround;

/** Local: some module loaders look an import up at every use. */
const SHIFT = HALF_EVEN_SHIFT;

const LOG2_E = f(Math.LOG2E);
/** ln 2 in two parts; the first has 10 significant bits, so its multiples by exponents are exact. */
const LN2_HIGH = 0.693359375;
const LN2_LOW = f(Math.LN2 - LN2_HIGH);

/** Below this input exp32 is exactly 0; from here on its results are normal numbers. */
export const EXP_ZERO_BELOW = -87;
/** Above this input exp32 is Infinity (float32 itself would reach 88.72). */
export const EXP_INFINITE_ABOVE = 88;

/** (e^r − 1 − r)/r² for |r| ≤ ln2/2, highest degree first. */
const E5 = f(0.00019890991097781807);
const E4 = f(0.0013933649752289057);
const E3 = f(0.00833331048488617);
const E2 = f(0.04166646674275398);
const E1 = f(0.1666666716337204);
const E0 = 0.5;

/** 2^n at index n + 126. */
const POWERS_OF_TWO = Float32Array.from({ length: 254 }, (_, i) => 2 ** (i - 126));

/**
 * e^x in float32, within 1 ulp: n = nearest(x·log2 e), r = (x − n·LN2_HIGH) − n·LN2_LOW,
 * e^x = 2^n·(1 + (r + r²·q(r))), q by Horner's rule.
 * @param x float32
 * @returns 0 below −87, Infinity above 88, NaN for NaN; never a subnormal number
 */
export function exp32(x: number): number {
  if (x < EXP_ZERO_BELOW) return 0;
  if (x > EXP_INFINITE_ABOVE) return Infinity;
  const n = f(x * LOG2_E) + SHIFT - SHIFT;
  const r = f(f(x - f(n * LN2_HIGH)) - f(n * LN2_LOW));
  let q = f(f(E5 * r) + E4);
  q = f(f(q * r) + E3);
  q = f(f(q * r) + E2);
  q = f(f(q * r) + E1);
  q = f(f(q * r) + E0);
  const y = f(f(f(q * f(r * r)) + r) + 1);
  return y * (POWERS_OF_TWO[n + 126] ?? NaN);
}

/** (ln(1+m) − m + m²/2)/m³ for √½ ≤ 1+m < √2, highest degree first. */
const L8 = f(0.06971611827611923);
const L7 = f(-0.11479733884334564);
const L6 = f(0.11685419827699661);
const L5 = f(-0.12425687164068222);
const L4 = f(0.14249058067798615);
const L3 = f(-0.1666780263185501);
const L2 = f(0.20000715553760529);
const L1 = f(-0.2499999701976776);
const L0 = f(0.3333333134651184);

/** Bits of √½: subtracting them moves the exponent's carry to the middle of an octave. */
const SQRT_HALF_BITS = 0x3f3504f3;
const SMALLEST_NORMAL = 2 ** -126;

const floatBits = new Float32Array(1);
const intBits = new Int32Array(floatBits.buffer);

/**
 * ln x in float32, within 1 ulp for x outside [½, 2] and within 1e-7 absolute inside:
 * x = 2^e·(1+m) with √½ ≤ 1+m < √2,
 * ln x = e·LN2_HIGH + (m + (((m²·m)·p(m) + e·LN2_LOW) − ½·m²)), p by Horner's rule.
 * @param x float32
 * @returns −Infinity for zero and subnormal numbers, NaN for negative numbers and NaN
 */
export function log32(x: number): number {
  if (x < 0 || Number.isNaN(x)) return NaN;
  if (x < SMALLEST_NORMAL) return -Infinity;
  if (x === Infinity) return Infinity;
  floatBits[0] = x;
  const e = (intBits[0]! - SQRT_HALF_BITS) >> 23;
  intBits[0]! -= e << 23;
  const m = f(floatBits[0] - 1);
  let p = f(f(L8 * m) + L7);
  p = f(f(p * m) + L6);
  p = f(f(p * m) + L5);
  p = f(f(p * m) + L4);
  p = f(f(p * m) + L3);
  p = f(f(p * m) + L2);
  p = f(f(p * m) + L1);
  p = f(f(p * m) + L0);
  const square = f(m * m);
  const rest = f(f(f(square * m) * p) + f(e * LN2_LOW));
  return f(f(m + f(rest - f(0.5 * square))) + f(e * LN2_HIGH));
}
