/** Products of integer codes: exact in any order of summation, scaled once. */
import * as tf from "@tensorflow/tfjs";
import { exactSlice } from "../core/integer-product.ts";
import { ShapeError } from "../errors.ts";
import { hasKernel, runKernel } from "./kernel.ts";

/** Largest absolute code that is packed, as two bytes; up to 128 one byte is enough. */
const LARGEST_PACKED = 32767;

/** The right operand's layout, and the bound of its codes. */
interface RightOperand {
  /** True where b is [..., n, k] instead of [..., k, n]. */
  readonly transposeB?: boolean;
  readonly maxAbsB: number;
}

/** Layout, bounds, scales and bias of one product. */
export interface CodeProductOptions extends RightOperand {
  /** Largest absolute code of a: decides how long a float32 sum stays exact. */
  readonly maxAbsA: number;
  /** Real size of one step of a: float32 scalar. */
  readonly scaleA: tf.Tensor;
  /** Real size of one step of b: float32 scalar, or [n] for one of each output column. */
  readonly scaleB: tf.Tensor;
  /** [n], added after scaling as a rounding of its own, or null. */
  readonly bias?: tf.Tensor | null;
  /** b as {@link packCodes} laid it out, or null. */
  readonly packedB?: tf.Tensor | null;
}

/**
 * y = fround(fround(acc)·fround(scaleA·scaleB)) + bias with the exact integer acc = Σ over k of a·b.
 * The kernel sums in int32. The composition cuts the common axis into slices whose float32 sums are
 * exact, and adds longer sums in int32. For evaluation: not differentiable.
 *
 * @param a float32 codes [..., m, k], rank 2 to 4
 * @param b float32 codes [..., k, n] or, transposed, [..., n, k]; rank as a, leading axes equal
 * @returns float32 [..., m, n]; the caller disposes it
 * @throws {ShapeError} if the sums could leave int32; {@link CheckpointError} for NaN, by the kernels
 */
export function codeProduct(a: tf.Tensor, b: tf.Tensor, options: CodeProductOptions): tf.Tensor {
  const { transposeB = false, maxAbsA, maxAbsB, scaleA, scaleB } = options;
  const { bias = null, packedB = null } = options;
  checkBound(a.shape.at(-1)!, maxAbsA, maxAbsB);
  const inputs = {
    ...{ a, b, scaleA, scaleB },
    ...(bias === null ? {} : { bias }),
    ...(packedB === null ? {} : { packedB }),
  };
  return runKernel("QatCodeProduct", inputs, { transposeB, maxAbsA, maxAbsB }, () => {
    const y = productComposition(a, b, options);
    return [bias === null ? y : tf.add(y, bias)];
  })[0]!;
}

/**
 * The right operand of many products, laid out once for the backend's kernel; its layout is
 * the kernel's own.
 *
 * @param codes float32 codes [k, n] or, transposed, [n, k]
 * @returns int32 tensor for {@link codeProduct}, which the caller disposes; null where the backend has
 *   no kernel or the codes do not fit into two bytes
 */
export function packCodes(
  codes: tf.Tensor2D,
  { transposeB = false, maxAbsB }: RightOperand,
): tf.Tensor | null {
  if (maxAbsB > LARGEST_PACKED || !hasKernel("QatPackCodes")) return null;
  return runKernel("QatPackCodes", { codes }, { transposeB, maxAbsB }, () => [])[0]!;
}

/** int32 holds Σ a·b only below 2^31. */
function checkBound(k: number, maxAbsA: number, maxAbsB: number): void {
  const bound = k * maxAbsA * maxAbsB;
  if (bound < 2 ** 31) return;
  throw new ShapeError(
    `codeProduct: expected sums below 2^31, received codes whose sum can reach ${bound}. ` +
      `Use fewer bits or a shorter inner dimension.`,
  );
}

function productComposition(a: tf.Tensor, b: tf.Tensor, options: CodeProductOptions): tf.Tensor {
  const { transposeB = false, maxAbsA, maxAbsB } = options;
  const axisA = a.rank - 1;
  const axisB = b.rank - (transposeB ? 1 : 2);
  const k = a.shape[axisA]!;
  const slice = exactSlice(maxAbsA, maxAbsB);
  if (k <= slice) return scaleSums(tf.matMul(a, b, false, transposeB), options);
  let sum: tf.Tensor | null = null;
  for (let start = 0; start < k; start += slice) {
    const size = Math.min(slice, k - start);
    const partA = sliceAxis(a, axisA, start, size);
    const partB = sliceAxis(b, axisB, start, size);
    const part = tf.cast(tf.matMul(partA, partB, false, transposeB), "int32");
    sum = sum === null ? part : tf.add(sum, part);
  }
  // Adding zero rounds the sums to float32 where a cast alone would keep all 32 bits (cpu).
  return scaleSums(tf.add(tf.cast(sum!, "float32"), 0), options);
}

/** fround(sums·fround(scaleA·scaleB)). */
function scaleSums(sums: tf.Tensor, { scaleA, scaleB }: CodeProductOptions): tf.Tensor {
  return tf.mul(sums, tf.mul(scaleA, scaleB));
}

function sliceAxis(x: tf.Tensor, axis: number, start: number, size: number): tf.Tensor {
  const begin = new Array<number>(x.rank).fill(0);
  const sizes = x.shape.slice();
  begin[axis] = start;
  sizes[axis] = size;
  return tf.slice(x, begin, sizes);
}
