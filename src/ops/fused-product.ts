/** Matrix products whose sums are rounded as TensorFlow's on a CPU. */
import * as tf from "@tensorflow/tfjs";
import { runKernel, withGradient } from "./kernel.ts";

/**
 * y = a·b, each element summed in the order of k by fused multiply-add: acc = fround(acc + a·b).
 * TensorFlow's CPU build (oneDNN) rounds this way. It matters where results lie on rounding ties,
 * as products of two quantized tensors do; everywhere else {@link tf.matMul} is as good and faster.
 * Backends without the kernel sum in their own order. Gradient: that of a matrix product.
 *
 * @param a float32 [..., m, k]
 * @param b float32 [..., k, n], leading axes as a
 * @returns float32 [..., m, n]; the caller disposes it
 */
export function fusedProduct(a: tf.Tensor, b: tf.Tensor): tf.Tensor {
  return withGradient(
    [a, b],
    (save) => {
      save([a, b]);
      return runKernel("QatFusedProduct", { a, b }, {}, () => [tf.matMul(a, b)])[0]!;
    },
    (dy, [savedA, savedB]) => [
      tf.matMul(dy, savedB!, false, true),
      tf.matMul(savedA!, dy, true, false),
    ],
  );
}
