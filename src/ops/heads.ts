/** Attention heads: from columns of rows to matrices of their own, and back. */
import * as tf from "@tensorflow/tfjs";
import { runKernel, withGradient, withGradientOfMany } from "./kernel.ts";

/**
 * Part p, head h of each row as a matrix: y_p[b, h, t, :] = x[b, t, (p·heads + h)·depth …], with
 * depth = width/(parts·heads). Gradient: {@link joinHeads} of the parts' gradients.
 *
 * @param x float32 [batch, time, width], width divisible by parts·heads
 * @returns `parts` float32 tensors [batch, heads, time, depth]; the caller disposes them
 */
export function splitHeads(x: tf.Tensor3D, parts: number, heads: number): tf.Tensor4D[] {
  const split = withGradientOfMany(
    { x },
    () =>
      runKernel("QatSplitHeads", { x }, { parts, heads }, () => splitComposition(x, parts, heads)),
    (dys) => ({ x: joinParts(dys as tf.Tensor4D[]) }),
  );
  return split as tf.Tensor4D[];
}

/**
 * The inverse of {@link splitHeads} for one part: y[b, t, h·depth …] = x[b, h, t, :].
 *
 * @param x float32 [batch, heads, time, depth]
 * @returns float32 [batch, time, heads·depth]; the caller disposes it
 */
export function joinHeads(x: tf.Tensor4D): tf.Tensor3D {
  const heads = x.shape[1];
  return withGradient(
    [x],
    () => joinParts([x]),
    (dy) =>
      runKernel("QatSplitHeads", { x: dy }, { parts: 1, heads }, () =>
        splitComposition(dy as tf.Tensor3D, 1, heads),
      ),
  ) as tf.Tensor3D;
}

/** [batch, time, parts·heads·depth] of several parts. */
function joinParts(parts: readonly tf.Tensor4D[]): tf.Tensor {
  const inputs = Object.fromEntries(parts.map((part, i) => [`part${i}`, part]));
  return runKernel("QatJoinHeads", inputs, {}, () => {
    const [batch, heads, time, depth] = parts[0]!.shape;
    const all = parts.length === 1 ? parts[0]! : tf.concat([...parts], 1);
    const rows = tf.transpose(all, [0, 2, 1, 3]);
    return [tf.reshape(rows, [batch, time, parts.length * heads * depth])];
  })[0]!;
}

function splitComposition(x: tf.Tensor3D, parts: number, heads: number): tf.Tensor[] {
  const [batch, time, width] = x.shape;
  const columns = tf.reshape(x, [batch, time, parts * heads, width / (parts * heads)]);
  const headMajor = tf.transpose(columns, [0, 2, 1, 3]);
  return parts === 1 ? [headMajor] : tf.split(headMajor, parts, 1);
}
