/** Values rounded to half precision. */
import * as tf from "@tensorflow/tfjs";
import { FLOAT16_OVERFLOW } from "../core/float16.ts";
import { runKernel, withGradient } from "./kernel.ts";

/**
 * The number of binary16 nearest to each element, ties to even; ±Infinity from ±65520 on.
 * Gradient, straight through: dx = dy.
 *
 * @param x float32, any shape
 * @returns float32 of the shape of x; the caller disposes it
 * @see core/float16.ts, whose bits every backend gives
 */
export function roundFloat16<T extends tf.Tensor>(x: T): T {
  return withGradient(
    [x],
    () => runKernel("QatRoundFloat16", { x }, {}, () => [byAddition(x)])[0]!,
    (dy) => [tf.clone(dy)],
  ) as T;
}

/**
 * By the addition of a number so large that the sum has the wanted steps: 2^(e+13) for 2^e ≤ |x| <
 * 2^(e+1), and ½ where |x| < 2^−14. Powers of two are found by comparison alone, all of it exact.
 */
function byAddition(x: tf.Tensor): tf.Tensor {
  const m = tf.abs(x);
  let rest = tf.mul(m, 2 ** 14);
  let power = tf.onesLike(m);
  for (const exponent of [16, 8, 4, 2, 1]) {
    const isAbove = tf.greaterEqual(rest, 2 ** exponent);
    rest = tf.where(isAbove, tf.mul(rest, 2 ** -exponent), rest);
    power = tf.where(isAbove, tf.mul(power, 2 ** exponent), power);
  }
  const large = tf.mul(power, 0.5);
  const rounded = tf.sub(tf.add(m, large), large);
  const infinite = tf.fill(m.shape, Infinity);
  const magnitude = tf.where(tf.greaterEqual(m, FLOAT16_OVERFLOW), infinite, rounded);
  const signed = tf.where(tf.less(x, 0), tf.neg(magnitude), magnitude);
  // A zero keeps its sign; numbers that a backend takes for zero lose all else.
  return tf.where(tf.equal(m, 0), tf.mul(x, 0), signed);
}
