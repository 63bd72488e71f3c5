/** Layer normalization over the last axis. */
import * as tf from "@tensorflow/tfjs";
import { runKernel, withGradient } from "./kernel.ts";

/**
 * y = (x − mean)·r·gamma + beta with r = 1/√(variance + epsilon), mean and (biased) variance over
 * the last axis.
 *
 * Gradient, with h = (x − mean)·r and g = dy·gamma: dx = r·(g − mean(g) − h·mean(g·h)),
 * dgamma = Σ dy·h, dbeta = Σ dy over the rows.
 *
 * @param x float32 [..., width]
 * @param gamma float32 [width]
 * @param beta float32 [width]
 * @param epsilon added to the variance, such as 1e-6
 * @returns float32 of the shape of x; the caller disposes it
 */
export function layerNorm(
  x: tf.Tensor,
  gamma: tf.Tensor1D,
  beta: tf.Tensor1D,
  epsilon: number,
): tf.Tensor {
  return withGradient(
    [x, gamma, beta],
    (save) => {
      save([x, gamma]);
      return runKernel("QatLayerNorm", { x, gamma, beta }, { epsilon }, () => {
        const { normalized } = normalize(x, epsilon);
        return [tf.add(tf.mul(normalized, gamma), beta)];
      })[0]!;
    },
    (dy, [savedX, savedGamma]) => layerNormGradient(dy, savedX!, savedGamma!, epsilon),
  );
}

function layerNormGradient(
  dy: tf.Tensor,
  x: tf.Tensor,
  gamma: tf.Tensor,
  epsilon: number,
): tf.Tensor[] {
  return runKernel("QatLayerNormGrad", { dy, x, gamma }, { epsilon }, () => {
    const { normalized, inverse } = normalize(x, epsilon);
    const rows = x.shape.slice(0, -1).map((_, i) => i);
    const g = tf.mul(dy, gamma);
    const meanG = tf.mean(g, -1, true);
    const meanGh = tf.mean(tf.mul(g, normalized), -1, true);
    const centred = tf.sub(tf.sub(g, meanG), tf.mul(normalized, meanGh));
    return [
      tf.mul(inverse, centred),
      rows.length === 0 ? tf.mul(dy, normalized) : tf.sum(tf.mul(dy, normalized), rows),
      rows.length === 0 ? tf.clone(dy) : tf.sum(dy, rows),
    ];
  });
}

/** h = (x − mean)·r, and r = 1/√(variance + epsilon), over the last axis. */
function normalize(x: tf.Tensor, epsilon: number): { normalized: tf.Tensor; inverse: tf.Tensor } {
  const centred = tf.sub(x, tf.mean(x, -1, true));
  const variance = tf.mean(tf.square(centred), -1, true);
  const inverse = tf.div(1, tf.sqrt(tf.add(variance, epsilon)));
  return { normalized: tf.mul(centred, inverse), inverse };
}
