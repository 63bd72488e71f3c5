/** Softmax over the keys that a query may see. */
import * as tf from "@tensorflow/tfjs";
import { runKernel, withGradient } from "./kernel.ts";

/**
 * p = exp(s − max) / Σ exp(s − max) over the visible keys of each query; exactly 0 on the others,
 * and on a whole row that sees no key.
 *
 * Key j of batch b is visible to query i where j < keyLengths[b] and, if causal,
 * j ≤ i + (keys − queries). Gradient: ds = p·(dp − Σ over keys of dp·p).
 *
 * @param scores float32 [batch, heads, queries, keys]
 * @param keyLengths int32 [batch], or null where all keys are real
 * @returns float32 of the shape of the scores; the caller disposes it
 */
export function attentionSoftmax(
  scores: tf.Tensor4D,
  keyLengths: tf.Tensor1D | null,
  causal: boolean,
): tf.Tensor4D {
  return withGradient(
    [scores],
    (save) => {
      const inputs = keyLengths === null ? { scores } : { scores, keyLengths };
      const p = runKernel("QatAttentionSoftmax", inputs, { causal }, () => [
        softmaxComposition(scores, keyLengths, causal),
      ])[0]!;
      save([p]);
      return p;
    },
    (dp, [p]) => attentionSoftmaxGradient(dp, p!),
  ) as tf.Tensor4D;
}

function softmaxComposition(
  scores: tf.Tensor4D,
  keyLengths: tf.Tensor1D | null,
  causal: boolean,
): tf.Tensor {
  const [batch, , queries, keys] = scores.shape;
  const key = tf.range(0, keys, 1, "int32");
  let visible: tf.Tensor = tf.ones([1, 1, queries, keys], "bool");
  if (keyLengths !== null) {
    visible = tf.logicalAnd(visible, tf.less(key, tf.reshape(keyLengths, [batch, 1, 1, 1])));
  }
  if (causal) {
    const last = tf.reshape(tf.range(keys - queries, keys, 1, "int32"), [1, 1, queries, 1]);
    visible = tf.logicalAnd(visible, tf.lessEqual(key, last));
  }
  const max = tf.max(tf.where(visible, scores, tf.fill(scores.shape, -Infinity)), -1, true);
  const exponent = tf.where(visible, tf.sub(scores, max), tf.zerosLike(scores));
  const e = tf.where(visible, tf.exp(exponent), tf.zerosLike(scores));
  // A row's sum is at least exp(0) = 1, or 0 where it sees no key.
  return tf.div(e, tf.maximum(tf.sum(e, -1, true), 1));
}

function attentionSoftmaxGradient(dp: tf.Tensor, p: tf.Tensor): tf.Tensor[] {
  return runKernel("QatAttentionSoftmaxGrad", { dp, p }, {}, () => [
    tf.mul(p, tf.sub(dp, tf.sum(tf.mul(dp, p), -1, true))),
  ]);
}
