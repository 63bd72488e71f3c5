/**
 * The counter-based generator of dropout masks: 32 bits from a seed and a position, with no state,
 * so that a mask can be computed again, in any order and on any backend.
 *
 * One round is x ^= x >>> 16; x *= 0x045d9f3b (mod 2^32), an integer finalizer of the multiply and
 * xor-shift family; shifts by half a word let it be composed from 8-bit table look-ups.
 */

/** The multiplier of a round. */
export const HASH_MULTIPLIER = 0x045d9f3b;

/** Spreads neighbouring positions before they meet the seed: 2^32 divided by the golden ratio. */
export const HASH_STRIDE = 0x9e3779b1;

/** A bijection of 32-bit integers whose output bits each depend on all input bits. */
export function mixBits(bits: number): number {
  let x = bits;
  x = Math.imul(x ^ (x >>> 16), HASH_MULTIPLIER);
  x = Math.imul(x ^ (x >>> 16), HASH_MULTIPLIER);
  return (x ^ (x >>> 16)) >>> 0;
}

/**
 * The hash of a position: mix(mix(seed) ^ position·stride), 0 … 2^32−1.
 *
 * @param mixedSeed {@link mixBits} of the seed, so that loops compute it once
 * @param position 0 … 2^32−1
 */
export function dropoutHash(mixedSeed: number, position: number): number {
  return mixBits(mixedSeed ^ Math.imul(position, HASH_STRIDE));
}

/** An element is kept where its hash is at or above this: round(rate·2^32). */
export function dropThreshold(rate: number): number {
  return Math.min(Math.round(rate * 2 ** 32), 2 ** 32 - 1);
}
