/** Cross-entropy with label smoothing. */
import * as tf from "@tensorflow/tfjs";
import { runKernel, withGradient } from "./kernel.ts";

/**
 * loss = −Σ over classes of q·ln p − c, for each row, where p = softmax(logits), q is 1 − ε at the
 * target and ε/(V−1) elsewhere, and c = −(1−ε)·ln(1−ε) − (V−1)·r·ln(r + 1e−20) with r = ε/(V−1) is
 * the value of a perfect prediction. Gradient: dlogits = (p − q)·dloss.
 *
 * @param logits float32 [rows, V]
 * @param targets int32 [rows], each 0 ≤ target < V
 * @param smoothing ε, 0 ≤ ε < 1
 * @returns float32 [rows]; the caller disposes it
 * @see NeurST, neurst/criterions/label_smoothed_cross_entropy.py
 */
export function smoothedCrossEntropy(
  logits: tf.Tensor2D,
  targets: tf.Tensor1D,
  smoothing: number,
): tf.Tensor1D {
  return withGradient(
    [logits],
    (save) => {
      const attributes = { smoothing, perfect: perfectLoss(logits.shape[1], smoothing) };
      const [loss, p] = runKernel("QatCrossEntropy", { logits, targets }, attributes, () => {
        const logP = tf.logSoftmax(logits);
        const q = smoothedTargets(targets, logits.shape[1], smoothing);
        return [tf.sub(tf.neg(tf.sum(tf.mul(q, logP), 1)), attributes.perfect), tf.exp(logP)];
      });
      save([p!, targets]);
      return loss!;
    },
    (dloss, [p, savedTargets]) => crossEntropyGradient(dloss, p!, savedTargets!, smoothing),
  ) as tf.Tensor1D;
}

/**
 * loss = −(1 − ε)·ln p[target] − ε/V·Σ ln p, for each row: the smoothed distribution has ε/V on every
 * class, the target included, and nothing is taken off.
 *
 * @param smoothing ε, 0 ≤ ε < 1
 * @returns float32 [rows]; the caller disposes it
 * @see MLPerf's GNMT, seq2seq/train/smoothing.py
 */
export function uniformlySmoothedCrossEntropy(
  logits: tf.Tensor2D,
  targets: tf.Tensor1D,
  smoothing: number,
): tf.Tensor1D {
  const classes = logits.shape[1];
  // The same distribution in the terms of smoothedCrossEntropy.
  const others = (smoothing * (classes - 1)) / classes;
  return tf.add(smoothedCrossEntropy(logits, targets, others), perfectLoss(classes, others));
}

function crossEntropyGradient(
  dloss: tf.Tensor,
  p: tf.Tensor,
  targets: tf.Tensor,
  smoothing: number,
): tf.Tensor[] {
  return runKernel("QatCrossEntropyGrad", { dloss, p, targets }, { smoothing }, () => {
    const q = smoothedTargets(targets, p.shape[1]!, smoothing);
    return [tf.mul(tf.sub(p, q), tf.expandDims(dloss, 1))];
  });
}

function smoothedTargets(targets: tf.Tensor, classes: number, smoothing: number): tf.Tensor {
  const rest = smoothing / Math.max(classes - 1, 1);
  // On wasm tf.oneHot cuts fractional values to integers: 0 and 1 are safe.
  const isTarget = tf.cast(tf.oneHot(targets, classes), "float32");
  return tf.add(tf.mul(isTarget, 1 - smoothing - rest), rest);
}

/** The smoothed cross-entropy of a perfect prediction. */
function perfectLoss(classes: number, smoothing: number): number {
  const rest = smoothing / Math.max(classes - 1, 1);
  return -(
    (1 - smoothing) * Math.log(1 - smoothing) +
    (classes - 1) * rest * Math.log(rest + 1e-20)
  );
}
