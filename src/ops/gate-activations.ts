/** The activations of recurrent layers and of additive attention. */
import * as tf from "@tensorflow/tfjs";
import { runKernel, withGradient } from "./kernel.ts";

/**
 * y = 1/(1 + e^−x). Gradient: dx = dy·y·(1 − y).
 *
 * @param x float32, any shape
 * @returns float32 of the shape of x, in [0, 1]; the caller disposes it
 * @see core/gate-activations.ts, which kernels other than native TensorFlow's follow bit for bit
 */
export function sigmoid<T extends tf.Tensor>(x: T): T {
  return withGradient(
    [x],
    (save) => {
      const y = runKernel("QatSigmoid", { x }, {}, () => [tf.sigmoid(x)])[0]!;
      save([y]);
      return y;
    },
    (dy, [y]) => [tf.mul(dy, tf.mul(y!, tf.sub(1, y!)))],
  ) as T;
}

/**
 * y = tanh x. Gradient: dx = dy·(1 − y²).
 *
 * @param x float32, any shape
 * @returns float32 of the shape of x, in [−1, 1]; the caller disposes it
 * @see core/gate-activations.ts, which kernels other than native TensorFlow's follow bit for bit
 */
export function tanh<T extends tf.Tensor>(x: T): T {
  return withGradient(
    [x],
    (save) => {
      const y = runKernel("QatTanh", { x }, {}, () => [tf.tanh(x)])[0]!;
      save([y]);
      return y;
    },
    (dy, [y]) => [tf.mul(dy, tf.sub(1, tf.square(y!)))],
  ) as T;
}
