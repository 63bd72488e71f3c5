/** Length of a vector. */
import * as tf from "@tensorflow/tfjs";
import { globalNorm } from "./global-norm.ts";
import { withGradient } from "./kernel.ts";

/**
 * ‖v‖ = √Σ v². Gradient: dv = dy·v/‖v‖.
 *
 * @param v float32, not all 0
 * @returns float32 scalar; the caller disposes it
 */
export function vectorNorm(v: tf.Tensor): tf.Scalar {
  return withGradient(
    [v],
    (save) => {
      const norm = globalNorm([v]);
      save([v, norm]);
      return norm;
    },
    (dy, [saved, norm]) => [tf.mul(dy, tf.div(saved!, norm!))],
  ) as tf.Scalar;
}
