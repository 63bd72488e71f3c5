/** Sizes of matrix products with leading axes. */
import type * as tf from "@tensorflow/tfjs";
import { KernelError } from "../../errors.ts";

/** Sizes of a product whose leading axes are broadcast. */
export interface ProductSizes {
  readonly m: number;
  readonly k: number;
  readonly n: number;
  /** Leading axes of the result, and their product. */
  readonly outer: number[];
  readonly batch: number;
  /** Leading sizes of the operands, without their matrices. */
  readonly outerA: readonly number[];
  readonly outerB: readonly number[];
}

/**
 * Sizes of op(a)·op(b).
 * @throws {KernelError} if they do not fit together
 */
export function productSizes(
  a: tf.TensorInfo,
  b: tf.TensorInfo,
  transposed: { readonly a: boolean; readonly b: boolean },
): ProductSizes {
  const matrix = (x: tf.TensorInfo, isTransposed: boolean): [number, number] => {
    const [rows, columns] = x.shape.slice(-2) as [number, number];
    return isTransposed ? [columns, rows] : [rows, columns];
  };
  const [m, k] = matrix(a, transposed.a);
  const [inner, n] = matrix(b, transposed.b);
  const outerA = a.shape.slice(0, -2);
  const outerB = b.shape.slice(0, -2);
  const outer = broadcastOuter(outerA, outerB);
  if (k !== inner || outer === null) {
    throw new KernelError(
      `matMul: expected operands whose inner and leading sizes agree, received ` +
        `[${[...outerA, m, k].join(", ")}] and [${[...outerB, inner, n].join(", ")}] (after ` +
        `transposition). Reshape or transpose one of them.`,
    );
  }
  return { m, k, n, outer, batch: outer.reduce((p, d) => p * d, 1), outerA, outerB };
}

function broadcastOuter(a: readonly number[], b: readonly number[]): number[] | null {
  const rank = Math.max(a.length, b.length);
  const outer: number[] = [];
  for (let i = 0; i < rank; i++) {
    const da = a[i - rank + a.length] ?? 1;
    const db = b[i - rank + b.length] ?? 1;
    if (da !== db && da !== 1 && db !== 1) return null;
    outer.push(da === 1 ? db : da);
  }
  return outer;
}

/** For each matrix of the result, which matrix of an operand it takes. */
export function operandIndices(outer: readonly number[], own: readonly number[]): Int32Array {
  const indices = new Int32Array(outer.reduce((p, d) => p * d, 1));
  const strides = new Array<number>(outer.length).fill(0);
  let stride = 1;
  for (let i = outer.length - 1, j = own.length - 1; j >= 0; i--, j--) {
    if (own[j] !== 1) strides[i] = stride;
    stride *= own[j]!;
  }
  for (let g = 0; g < indices.length; g++) {
    let rest = g;
    for (let i = outer.length - 1; i >= 0; i--) {
      indices[g]! += (rest % outer[i]!) * strides[i]!;
      rest = Math.floor(rest / outer[i]!);
    }
  }
  return indices;
}
