/**
 * Counter-based random numbers: any element of any stream is a pure function of (seed, stream,
 * index), so nothing depends on what was drawn before and states are three numbers.
 * @see Salmon, Moraes, Dror, Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3", Philox4x32-10
 */
import { ConfigError } from "../errors.ts";

const TWO_32 = 2 ** 32;

/** High 32 bits of the 64-bit product of two unsigned 32-bit integers, by 16-bit halves. */
function multiplyHigh(a: number, b: number): number {
  const aLow = a & 0xffff;
  const aHigh = a >>> 16;
  const bLow = b & 0xffff;
  const bHigh = b >>> 16;
  const middle = aHigh * bLow + ((aLow * bLow) >>> 16);
  const cross = aLow * bHigh + (middle & 0xffff);
  return (aHigh * bHigh + Math.floor(middle / 65536) + Math.floor(cross / 65536)) >>> 0;
}

/**
 * The Philox4x32-10 block function.
 * @param counter four unsigned 32-bit words
 * @param key two unsigned 32-bit words
 * @param out receives four unsigned 32-bit words; may be `counter`
 */
export function philox4x32(counter: Uint32Array, key: Uint32Array, out: Uint32Array): void {
  let c0 = counter[0]!;
  let c1 = counter[1]!;
  let c2 = counter[2]!;
  let c3 = counter[3]!;
  let k0 = key[0]!;
  let k1 = key[1]!;
  for (let round = 0; round < 10; round++) {
    const high0 = multiplyHigh(0xd2511f53, c0);
    const low0 = Math.imul(0xd2511f53, c0);
    const high1 = multiplyHigh(0xcd9e8d57, c2);
    const low1 = Math.imul(0xcd9e8d57, c2);
    c0 = (high1 ^ c1 ^ k0) >>> 0;
    c1 = low1 >>> 0;
    c2 = (high0 ^ c3 ^ k1) >>> 0;
    c3 = low0 >>> 0;
    k0 = (k0 + 0x9e3779b9) >>> 0;
    k1 = (k1 + 0xbb67ae85) >>> 0;
  }
  out[0] = c0;
  out[1] = c1;
  out[2] = c2;
  out[3] = c3;
}

/** Four words of a stream: key = seed, counter = (block, stream), each as (low, high) words. */
class BlockSource {
  readonly words = new Uint32Array(4);
  readonly #key: Uint32Array;
  readonly #counter = new Uint32Array(4);
  readonly #stream: number;
  #block = -1;

  constructor(seed: number, stream: number) {
    checkWhole("seed", seed);
    checkWhole("stream", stream);
    this.#key = Uint32Array.of(seed % TWO_32, seed / TWO_32);
    this.#stream = stream;
  }

  /** The 32-bit word at an index of the stream. */
  wordAt(index: number): number {
    const block = Math.floor(index / 4);
    if (block !== this.#block) {
      this.#counter[0] = block % TWO_32;
      this.#counter[1] = block / TWO_32;
      this.#counter[2] = this.#stream % TWO_32;
      this.#counter[3] = this.#stream / TWO_32;
      philox4x32(this.#counter, this.#key, this.words);
      this.#block = block;
    }
    return this.words[index - block * 4]!;
  }
}

function checkWhole(name: string, value: number): void {
  if (Number.isSafeInteger(value) && value >= 0) return;
  throw new ConfigError(
    `random ${name}: expected a whole number from 0 to 2^53 − 1, received ${value}. ` +
      `Use a number such as 1.`,
  );
}

/** A word as float32 in [0, 1): its upper 24 bits times 2^−24. */
function unitFloat(word: number): number {
  return (word >>> 8) * 2 ** -24;
}

/**
 * Element `index` of a stream: float32 in [0, 1), a multiple of 2^−24.
 * @param seed,stream,index whole numbers from 0 to 2^53 − 1
 * @throws {ConfigError} if seed or stream is none
 */
export function randomUniformAt(seed: number, stream: number, index: number): number {
  return unitFloat(new BlockSource(seed, stream).wordAt(index));
}

/**
 * Fills `out` with elements `start`, `start + 1`, … of a stream: out[i] is
 * randomUniformAt(seed, stream, start + i).
 * @returns out
 */
export function fillRandomUniform(
  out: Float32Array,
  seed: number,
  stream: number,
  start = 0,
): Float32Array {
  const source = new BlockSource(seed, stream);
  for (let i = 0; i < out.length; i++) out[i] = unitFloat(source.wordAt(start + i));
  return out;
}

/** All that a {@link RandomStream} remembers; plain numbers, fit for JSON. */
export interface RandomState {
  readonly seed: number;
  readonly stream: number;
  /** Index of the next 32-bit word. */
  readonly index: number;
}

/** Random numbers one after the other, from a state that can be saved and restored. */
export class RandomStream {
  readonly #seed: number;
  readonly #stream: number;
  readonly #source: BlockSource;
  #index: number;

  /** @throws {ConfigError} if a number is not whole and non-negative */
  constructor({ seed, stream, index }: { seed: number; stream: number; index?: number }) {
    checkWhole("index", index ?? 0);
    this.#seed = seed;
    this.#stream = stream;
    this.#source = new BlockSource(seed, stream);
    this.#index = index ?? 0;
  }

  /** What the constructor needs to continue from here. */
  get state(): RandomState {
    return { seed: this.#seed, stream: this.#stream, index: this.#index };
  }

  /** An unsigned 32-bit integer. */
  uint32(): number {
    return this.#source.wordAt(this.#index++);
  }

  /** float32 in [0, 1). */
  uniform(): number {
    return unitFloat(this.uint32());
  }

  /** A whole number in [0, count), every one equally likely; count from 1 to 2^32. */
  integer(count: number): number {
    // Words beyond the last whole multiple of count would favour small numbers: draw again.
    const limit = TWO_32 - (TWO_32 % count);
    for (;;) {
      const word = this.uint32();
      if (word < limit) return word % count;
    }
  }

  /** Standard normal, float32, by Box and Muller's method from two words. */
  normal(): number {
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    return Math.fround(radius * Math.cos(2 * Math.PI * this.uniform()));
  }

  /** The numbers 0 … count−1 in random order (Fisher and Yates). */
  permutation(count: number): Int32Array {
    const order = Int32Array.from({ length: count }, (_, i) => i);
    for (let i = count - 1; i > 0; i--) {
      const j = this.integer(i + 1);
      const held = order[i]!;
      order[i] = order[j]!;
      order[j] = held;
    }
    return order;
  }
}
