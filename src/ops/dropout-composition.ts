/**
 * Dropout's mask from TensorFlow.js operations alone, exact on backends that have neither 32-bit
 * products nor exclusive or: a word is four 8-bit limbs held as float32 integers, exclusive or is a
 * table look-up. Slow: a reference, and the fallback where no kernel is registered.
 */
import * as tf from "@tensorflow/tfjs";
import { dropThreshold, HASH_MULTIPLIER, HASH_STRIDE } from "../core/dropout-hash.ts";

/** Four float32 tensors of integers 0 … 255, the lowest byte first. */
type Limbs = readonly [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];

/** x·mask/(1 − rate); see `dropout` for the mask. The caller tidies. */
export function dropoutComposition(x: tf.Tensor, rate: number, seed: tf.Tensor): tf.Tensor {
  const table = xorTable();
  const mixedSeed = mix(wordOfSeed(seed), table);
  const stride = multiply(wordOfPositions(x.size), HASH_STRIDE);
  const hash = mix(xorWords(mixedSeed, stride, table), table);
  const kept = tf.reshape(atLeast(hash, dropThreshold(rate)), x.shape);
  const keep = Math.fround(1 - rate);
  return tf.where(kept, tf.div(x, keep), tf.zerosLike(x));
}

/** The exclusive or of bytes a and b at 256·a + b. */
function xorTable(): tf.Tensor1D {
  return tf.tensor1d(
    Float32Array.from({ length: 65536 }, (_, i) => (i >>> 8) ^ (i & 255)),
    "float32",
  );
}

function xor(a: tf.Tensor, b: tf.Tensor, table: tf.Tensor1D): tf.Tensor {
  return tf.gather(table, tf.cast(tf.add(tf.mul(a, 256), b), "int32"));
}

function xorWords(a: Limbs, b: Limbs, table: tf.Tensor1D): Limbs {
  return [
    xor(a[0], b[0], table),
    xor(a[1], b[1], table),
    xor(a[2], b[2], table),
    xor(a[3], b[3], table),
  ];
}

/** `mixBits` of core/dropout-hash.ts. */
function mix(word: Limbs, table: tf.Tensor1D): Limbs {
  const fold = (w: Limbs): Limbs => [xor(w[0], w[2], table), xor(w[1], w[3], table), w[2], w[3]];
  const once = multiply(fold(word), HASH_MULTIPLIER);
  return fold(multiply(fold(once), HASH_MULTIPLIER));
}

/** word·factor mod 2^32; every intermediate sum stays below 2^24. */
function multiply(word: Limbs, factor: number): Limbs {
  const out: tf.Tensor[] = [];
  let carry: tf.Tensor = tf.scalar(0);
  for (let i = 0; i < 4; i++) {
    let sum = carry;
    for (let j = 0; j <= i; j++)
      sum = tf.add(sum, tf.mul(word[j]!, (factor >>> (8 * (i - j))) & 255));
    carry = tf.floor(tf.div(sum, 256));
    out.push(tf.sub(sum, tf.mul(carry, 256)));
  }
  return [out[0]!, out[1]!, out[2]!, out[3]!];
}

function wordOfPositions(size: number): Limbs {
  const limb = (shift: number): tf.Tensor =>
    tf.tensor1d(Float32Array.from({ length: size }, (_, i) => (i >>> shift) & 255));
  return [limb(0), limb(8), limb(16), limb(24)];
}

/** The bytes of an int32 scalar, without reading it: division by 256 is exact below 2^24. */
function wordOfSeed(seed: tf.Tensor): Limbs {
  const byte = (shift: number): tf.Tensor =>
    tf.cast(tf.bitwiseAnd(seed, tf.scalar(255 << shift, "int32")), "float32");
  const low = [byte(0), tf.div(byte(8), 2 ** 8), tf.div(byte(16), 2 ** 16)] as const;
  const top = tf.div(byte(24), 2 ** 24);
  return [low[0], low[1], low[2], tf.where(tf.less(top, 0), tf.add(top, 256), top)];
}

/** True where the word, read as an unsigned number, is at least the threshold. */
function atLeast(word: Limbs, threshold: number): tf.Tensor {
  let result: tf.Tensor = tf.greaterEqual(word[0], threshold & 255);
  for (let i = 1; i < 4; i++) {
    const limb = (threshold >>> (8 * i)) & 255;
    result = tf.logicalOr(
      tf.greater(word[i]!, limb),
      tf.logicalAnd(tf.equal(word[i]!, limb), result),
    );
  }
  return result;
}
