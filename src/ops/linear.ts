/** The linear map of dense layers. */
import * as tf from "@tensorflow/tfjs";
import { runKernel, withGradient } from "./kernel.ts";

/**
 * y = x·kernel + bias, or x·kernelᵀ + bias; the bias is added as a rounding of its own. Gradients:
 * dx = dy·kernelᵀ, dkernel = xᵀ·dy (or dy·kernel and dyᵀ·x), dbias = Σ over rows of dy.
 *
 * @param x float32 [rows, inputs]
 * @param kernel float32 [inputs, outputs] or, transposed, [outputs, inputs]
 * @param bias float32 [outputs], or null for none
 * @returns float32 [rows, outputs]; the caller disposes it
 */
export function linear(
  x: tf.Tensor2D,
  kernel: tf.Tensor2D,
  bias: tf.Tensor1D | null,
  transposeB = false,
): tf.Tensor2D {
  if (bias === null) return tf.matMul(x, kernel, false, transposeB);
  return withGradient(
    [x, kernel, bias],
    (save) => {
      save([x, kernel]);
      return runKernel("QatLinear", { x, kernel, bias }, { transposeB }, () => [
        tf.add(tf.matMul(x, kernel, false, transposeB), bias),
      ])[0]!;
    },
    (dy, [savedX, savedKernel]) => [
      tf.matMul(dy, savedKernel!, false, !transposeB),
      transposeB ? tf.matMul(dy, savedX!, true) : tf.matMul(savedX!, dy, true),
      columnSum(dy as tf.Tensor2D),
    ],
  ) as tf.Tensor2D;
}

/** Σ over rows of x [rows, n]: [n]. Not differentiable. */
export function columnSum(x: tf.Tensor2D): tf.Tensor1D {
  return runKernel("QatColumnSum", { x }, {}, () => [tf.sum(x, 0)])[0] as tf.Tensor1D;
}
