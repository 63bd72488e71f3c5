/**
 * Matrix products of layers: of values in training, of exact integer codes in evaluation. Every
 * product of every layer goes through this file, so the placement report misses none.
 */
import * as tf from "@tensorflow/tfjs";
import { codeProduct, packCodes } from "../ops/code-product.ts";
import { fusedProduct } from "../ops/fused-product.ts";
import { approximateScales } from "../ops/live-grid.ts";
import { linear } from "../ops/linear.ts";
import { roundFloat16 } from "../ops/round-float16.ts";
import type { Pass, QuantizedWeight, TensorGrid } from "../quant/pass.ts";
import { keepIn } from "./pass-cache.ts";

/** Which product this is, and how its operands lie. */
export interface ProductOptions {
  /** Path of the layer and the product's name in it, such as `…/self_attention/scores`. */
  readonly name: string;
  readonly pass: Pass;
  readonly transposeB?: boolean;
  /**
   * True where the result is quantized with no bias before: it then lies on rounding ties so often
   * that another tool's numbers need its order of summation too.
   */
  readonly fallsOnTies?: boolean;
  /** How {@link linearProduct} treats integer sums; null: the float32 bias is added once scaled. */
  readonly accumulator?: AccumulatorRules | null;
}

/**
 * Linear maps as Distiller's: the bias is an integer of 32 bits on the grid of the sums,
 * b_q = clamp(rhe(b/s)), y = fround(fround(fround(acc) + b_q)·s) with s = fround(s_x·s_w).
 * @see IntelLabs/distiller d859fc85, RangeLinearQuantParamLayerWrapper
 */
export interface AccumulatorRules {
  /** Bits of the integers that stand for 1/s, or null for the float32 itself. */
  readonly scaleApproxMultBits: number | null;
}

/**
 * a·b, or a·bᵀ. Where the pass multiplies codes and both operands lie on a grid, the sum is an exact
 * integer and is scaled once.
 * @param a [..., m, k], activations
 * @param b [..., k, n], or [..., n, k] transposed
 * @returns [..., m, n] float32
 */
export function product(a: tf.Tensor, b: tf.Tensor, options: ProductOptions): tf.Tensor {
  const { pass, transposeB = false, fallsOnTies = false } = options;
  const { left, right } = report(a, b, options);
  if (pass.products === "values" || left === null || right === null) {
    if (fallsOnTies && right?.compat === "neurst") {
      return fusedProduct(valuesOf(a, pass), valuesOf(b, pass));
    }
    return tf.matMul(inputOf(a, b, pass), valuesOf(b, pass), false, transposeB);
  }
  return productOfCodes(a, b, { left, right, transposeB, pass });
}

/**
 * x·kernel + bias, or x·kernelᵀ + bias. The bias is float32 and is added after the scaled product.
 * @param x [rows, inputs]
 * @param kernel [inputs, outputs] or, transposed, [outputs, inputs]
 * @param bias [outputs], or null
 * @returns [rows, outputs]
 */
export function linearProduct(
  x: tf.Tensor2D,
  kernel: tf.Tensor2D,
  bias: tf.Tensor1D | null,
  options: ProductOptions,
): tf.Tensor2D {
  const { pass, transposeB = false } = options;
  const { left, right } = report(x, kernel, options);
  if (pass.products === "values" || left === null || right === null) {
    const values = valuesOf<tf.Tensor2D>(kernel, pass);
    const input = inputOf(x, kernel, pass);
    return linear(input, values, bias === null ? null : biasOf(bias, kernel, pass), transposeB);
  }
  const operands = { left, right, transposeB, pass };
  const { accumulator = null } = options;
  if (accumulator === null) return productOfCodes(x, kernel, operands, bias) as tf.Tensor2D;
  const sums = productOfCodes(x, kernel, operands, null, tf.scalar(1));
  return scaleSums(sums, bias, { left, right }, accumulator) as tf.Tensor2D;
}

/** (sums + b_q)·s of {@link AccumulatorRules}; made of the scales of this call's operands. */
function scaleSums(
  sums: tf.Tensor,
  bias: tf.Tensor | null,
  { left, right }: { left: TensorGrid; right: TensorGrid },
  { scaleApproxMultBits: multBits }: AccumulatorRules,
): tf.Tensor {
  const exact = tf.mul(left.scale!, right.scale!);
  const scale = multBits === null ? exact : approximateScales(exact, multBits);
  if (bias === null) return tf.mul(sums, scale);
  const steps = tf.clipByValue(tf.round(tf.div(bias, scale)), -(2 ** 31), 2 ** 31 - 1);
  return tf.mul(tf.add(sums, steps), scale);
}

/** The values of a product's input: in half precision where the weight b is. */
function inputOf<T extends tf.Tensor>(a: T, b: tf.Tensor, pass: Pass): T {
  const values = valuesOf(a, pass);
  return pass.float16.has(b.dataId) ? roundFloat16(values) : values;
}

/** A bias as it is added to the product of a weight: in half precision where the weight is. */
export function biasOf<T extends tf.Tensor>(bias: T, weight: tf.Tensor, pass: Pass): T {
  return pass.float16.has(weight.dataId) ? roundFloat16(bias) : bias;
}

/** The tensor's values: code · scale where it holds codes, else the tensor itself. */
export function valuesOf<T extends tf.Tensor>(x: T, pass: Pass): T {
  const grid = pass.grids.get(x.dataId);
  return grid?.holdsCodes === true ? tf.mul(x, alongAxis(grid, x.rank)) : x;
}

function report(
  a: tf.Tensor,
  b: tf.Tensor,
  { name, pass, transposeB = false }: ProductOptions,
): Operands {
  const left = pass.grids.get(a.dataId) ?? null;
  const right = pass.grids.get(b.dataId) ?? null;
  const positions = pass.positions ?? null;
  pass.onProduct?.({ product: name, left, right, a, b, transposeB, positions });
  return { left, right };
}

interface Operands {
  readonly left: TensorGrid | null;
  readonly right: TensorGrid | null;
}

/** @param unit in place of both scales: the sums themselves are wanted */
function productOfCodes(
  a: tf.Tensor,
  b: tf.Tensor,
  operands: { left: TensorGrid; right: TensorGrid; transposeB: boolean; pass: Pass },
  bias: tf.Tensor1D | null = null,
  unit: tf.Scalar | null = null,
): tf.Tensor {
  const { left, right, transposeB, pass } = operands;
  const codes = codesOf(b, right);
  const layout = { transposeB, maxAbsB: right.maxAbsCode };
  return codeProduct(codesOf(a, left), codes, {
    ...layout,
    maxAbsA: left.maxAbsCode,
    scaleA: unit ?? left.scale!,
    scaleB: unit ?? right.scale!,
    bias,
    packedB: right.weight === null ? null : packedIn(pass, right.weight, codes, layout),
  });
}

/** A weight's codes, laid out for products once for each pass. */
function packedIn(
  pass: Pass,
  weight: QuantizedWeight,
  codes: tf.Tensor,
  layout: { readonly transposeB: boolean; readonly maxAbsB: number },
): tf.Tensor | null {
  if (codes.rank !== 2) return null;
  const known = weight.packed.get(layout.transposeB);
  if (known !== undefined) return known;
  const packed = packCodes(codes as tf.Tensor2D, layout);
  if (packed !== null) weight.packed.set(layout.transposeB, keepIn(pass, packed));
  return packed;
}

/** Codes of a tensor on a grid. Dividing code · scale by scale is off by less than half a step. */
function codesOf(x: tf.Tensor, grid: TensorGrid): tf.Tensor {
  return grid.holdsCodes ? x : tf.round(tf.div(x, alongAxis(grid, x.rank)));
}

/** The scale, shaped to broadcast against a tensor of the given rank. */
function alongAxis({ scale, axis }: TensorGrid, rank: number): tf.Tensor {
  if (axis === null) return scale!;
  const shape = new Array<number>(rank).fill(1);
  shape[axis] = scale!.size;
  return tf.reshape(scale!, shape);
}
