/** Dropout whose mask is a pure function of a seed and an element's position. */
import * as tf from "@tensorflow/tfjs";
import { runKernel, withGradient } from "./kernel.ts";
import { dropoutComposition } from "./dropout-composition.ts";

/**
 * y[i] = x[i]/(1 − rate) where hash(seed, i) ≥ rate·2^32, else 0; i counts elements in row-major
 * order. The gradient applies the same mask.
 *
 * @param x float32, any shape
 * @param rate share of elements dropped, 0 ≤ rate < 1
 * @param seed int32 scalar; the same seed gives the same mask on every backend
 * @returns float32 of the shape of x; the caller disposes it
 * @see core/dropout-hash.ts
 */
export function dropout(x: tf.Tensor, rate: number, seed: tf.Tensor): tf.Tensor {
  if (rate === 0) return tf.clone(x);
  return withGradient(
    [x],
    (save) => {
      save([seed]);
      return applyMask(x, rate, seed);
    },
    (dy, [savedSeed]) => [applyMask(dy, rate, savedSeed!)],
  );
}

function applyMask(x: tf.Tensor, rate: number, seed: tf.Tensor): tf.Tensor {
  return runKernel("QatDropout", { x, seed }, { rate }, () => [
    dropoutComposition(x, rate, seed),
  ])[0]!;
}
