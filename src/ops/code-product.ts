/** Products of integer codes: exact in any order of summation, scaled once. */
import * as tf from "@tensorflow/tfjs";
import { exactSlice } from "../core/integer-product.ts";
import { runKernel } from "./kernel.ts";

/** Operands' layout, bounds and scales of one product. */
export interface CodeProductOptions {
  readonly transposeA?: boolean;
  readonly transposeB?: boolean;
  /** Largest absolute code of each operand: decides how long a float32 sum stays exact. */
  readonly maxAbsA: number;
  readonly maxAbsB: number;
  /** Real size of one step of a: float32 scalar. */
  readonly scaleA: tf.Tensor;
  /** Real size of one step of b: float32 scalar, or [n] for one of each output column. */
  readonly scaleB: tf.Tensor;
}

/**
 * y = fround(fround(acc)·fround(scaleA·scaleB)) with the exact integer acc = Σ over k of a·b. The
 * common axis is cut into slices whose float32 sums are exact; longer sums are added in int32.
 * For evaluation: not differentiable.
 *
 * @param a float32 codes, [..., m, k] or, transposed, [..., k, m]; rank 2 to 4
 * @param b float32 codes, [..., k, n] or, transposed, [..., n, k]; rank as a, leading axes equal
 * @returns float32 [..., m, n]; the caller disposes it
 */
export function codeProduct(a: tf.Tensor, b: tf.Tensor, options: CodeProductOptions): tf.Tensor {
  const { transposeA = false, transposeB = false, maxAbsA, maxAbsB } = options;
  return tf.tidy(() => {
    const axisA = a.rank - (transposeA ? 2 : 1);
    const axisB = b.rank - (transposeB ? 1 : 2);
    const k = a.shape[axisA]!;
    const slice = exactSlice(maxAbsA, maxAbsB);
    if (k <= slice) return scaleSums(tf.matMul(a, b, transposeA, transposeB), options);
    let sum: tf.Tensor | null = null;
    for (let start = 0; start < k; start += slice) {
      const size = Math.min(slice, k - start);
      const partA = sliceAxis(a, axisA, start, size);
      const partB = sliceAxis(b, axisB, start, size);
      const part = tf.cast(tf.matMul(partA, partB, transposeA, transposeB), "int32");
      sum = sum === null ? part : tf.add(sum, part);
    }
    // Adding zero rounds the sums to float32 where a cast alone would keep all 32 bits (cpu).
    return scaleSums(tf.add(tf.cast(sum!, "float32"), 0), options);
  });
}

/** fround(sums·fround(scaleA·scaleB)). */
function scaleSums(sums: tf.Tensor, { scaleA, scaleB }: CodeProductOptions): tf.Tensor {
  return runKernel("QatScaleCodes", { sums, scaleA, scaleB }, {}, () => [
    tf.mul(sums, tf.mul(scaleA, scaleB)),
  ])[0]!;
}

function sliceAxis(x: tf.Tensor, axis: number, start: number, size: number): tf.Tensor {
  const begin = new Array<number>(x.rank).fill(0);
  const sizes = x.shape.slice();
  begin[axis] = start;
  sizes[axis] = size;
  return tf.slice(x, begin, sizes);
}
