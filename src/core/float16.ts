/** IEEE 754 binary16: rounding to it, and its bit patterns. */

/** Smallest normal number of binary16; below it numbers are 2^−24 apart. */
export const FLOAT16_SMALLEST_NORMAL = 2 ** -14;
/** Half a step above the largest number of binary16, 65504: from here on an infinity is nearer. */
export const FLOAT16_OVERFLOW = 65520;

const FLOATS = new Float32Array(1);
const BITS = new Int32Array(FLOATS.buffer);

/**
 * The number of binary16 nearest to x, of two the one whose last bit is 0: 11 significant bits, and
 * multiples of 2^−24 below 2^−14.
 * @param x float32
 * @returns float32; ±Infinity from ±65520 on, as a cast of PyTorch and NumPy gives; −0 and NaN stay
 * @see IEEE 754-2019, sections 3.6 and 4.3.1
 */
export function roundFloat16(x: number): number {
  const m = Math.abs(x);
  if (Number.isNaN(x)) return x;
  if (m >= FLOAT16_OVERFLOW) return x * Infinity;
  if (m < FLOAT16_SMALLEST_NORMAL) {
    // The steps of float32 from ½ to 1 are those of small numbers of binary16.
    const y = Math.fround(Math.fround(m + 0.5) - 0.5);
    return x < 0 || Object.is(x, -0) ? -y : y;
  }
  FLOATS[0] = x;
  const bits = BITS[0]!;
  BITS[0] = (bits + 0xfff + ((bits >> 13) & 1)) & ~0x1fff;
  return FLOATS[0];
}

/**
 * Bit patterns of the numbers of binary16 nearest to x, as {@link roundFloat16} finds them.
 * @param x float32
 * @returns sign, 5 bits of exponent and 10 of fraction each; 0x7e00 for NaN
 * @see IEEE 754-2019, section 3.4
 */
export function float16Bits(x: Float32Array): Uint16Array {
  return Uint16Array.from(x, bitsOf);
}

/** The numbers that bit patterns of binary16 stand for, exactly; the inverse of {@link float16Bits}. */
export function fromFloat16Bits(bits: Uint16Array): Float32Array {
  return Float32Array.from(bits, valueOf);
}

function bitsOf(x: number): number {
  FLOATS[0] = roundFloat16(x);
  const [y, bits] = [FLOATS[0], BITS[0]!];
  if (Number.isNaN(y)) return 0x7e00;
  const sign = (bits >>> 16) & 0x8000;
  const m = Math.abs(y);
  if (m === Infinity) return sign | 0x7c00;
  if (m < FLOAT16_SMALLEST_NORMAL) return sign | (m * 2 ** 24);
  // The exponents' biases are 127 and 15; 13 more bits of fraction are 0.
  return sign | (((bits & 0x7fffffff) >> 13) - ((127 - 15) << 10));
}

function valueOf(bits: number): number {
  const sign = (bits & 0x8000) === 0 ? 1 : -1;
  const [exponent, fraction] = [(bits >> 10) & 0x1f, bits & 0x3ff];
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
