/** Float32 values rounded to IEEE 754 binary16, which stay float32. */

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
