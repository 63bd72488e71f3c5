/** Rows of a table by number: the embedding of tokens. */
import * as tf from "@tensorflow/tfjs";
import { runKernel, withGradient } from "./kernel.ts";

/**
 * y[…, :] = table[ids[…], :]. Gradient: dtable[v] = Σ of dy over the places where ids is v; the
 * numbers get none.
 *
 * @param table float32 [rows, width]
 * @param ids int32, any shape, each 0 ≤ id < rows
 * @returns float32 [...ids.shape, width]; the caller disposes it
 */
export function embeddingLookup(table: tf.Tensor2D, ids: tf.Tensor): tf.Tensor {
  const [rows, width] = table.shape;
  return withGradient(
    [table],
    (save) => {
      save([ids]);
      return runKernel("QatEmbeddingLookup", { table, ids }, {}, () => [tf.gather(table, ids)])[0]!;
    },
    (dy, [savedIds]) => {
      const flatIds: tf.Tensor1D = tf.reshape(savedIds!, [savedIds!.size]);
      return [segmentSum(tf.reshape(dy, [flatIds.size, width]), flatIds, rows)];
    },
  );
}

/**
 * y[v] = Σ of x[i] over the i with ids[i] = v, in the order of i. Not differentiable.
 *
 * @param x float32 [n, width]
 * @param ids int32 [n], each 0 ≤ id < count
 * @returns float32 [count, width]; the caller disposes it
 */
export function segmentSum(x: tf.Tensor2D, ids: tf.Tensor1D, count: number): tf.Tensor2D {
  return runKernel("QatSegmentSum", { x, segmentIds: ids }, { numSegments: count }, () => [
    // Not every backend has the unsorted segment sum: a product with the one-hot rows is the same.
    tf.matMul(tf.oneHot(ids, count), x, true),
  ])[0] as tf.Tensor2D;
}
