/** How attention layers keep keys and values between the steps of decoding, and read them again. */
import type * as tf from "@tensorflow/tfjs";
import {
  cachedAttention,
  type CachedAttentionOptions,
  type KeptKeys,
  MOST_NARROW_CODE,
  narrowCodes,
} from "../ops/cached-attention.ts";
import { isWatched, type Pass, type TensorGrid } from "../quant/pass.ts";
import { valuesOf } from "./product.ts";

/** The grids of one attention layer's operands in a pass; null where they are float. */
export interface AttentionGrids {
  readonly queries: TensorGrid | null;
  /** Keys and values come of one map and share a grid. */
  readonly cells: TensorGrid | null;
  readonly softmax: CachedAttentionOptions["softmax"];
  /** Whether probabilities are rounded to another grid than the constant one of softmax. */
  readonly hasOtherSoftmax: boolean;
}

/**
 * Whether one operation can do the layer's two products and what lies between. Not where somebody
 * watches products or codes, nor where values must be summed as TensorFlow sums them, nor for codes of
 * more than a byte (those with zero points).
 */
export function isFused(grids: AttentionGrids, pass: Pass): boolean {
  const { queries, cells, softmax, hasOtherSoftmax } = grids;
  if (isWatched(pass) || hasOtherSoftmax) return false;
  const multipliesCodes = pass.products === "codes";
  if (cells?.compat === "neurst" && (!multipliesCodes || softmax === null)) return false;
  if (cells === null || !multipliesCodes) return true;
  const fits = (grid: TensorGrid): boolean => grid.maxAbsCode <= MOST_NARROW_CODE;
  return queries !== null && fits(queries) && fits(cells);
}

/** The last `count` columns of a projection as later steps read them: codes in one byte each. */
export function keepColumns(
  projection: tf.Tensor2D,
  count: number,
  grids: AttentionGrids,
  pass: Pass,
): tf.Tensor2D {
  const holdsCodes = grids.cells?.holdsCodes === true;
  return holdsCodes && isFused(grids, pass) ? narrowCodes(projection, count) : projection;
}

/** softmax(q·kᵀ/√d)·v of one query a row, [rows, units], in one operation. */
export function fusedContext(
  queries: tf.Tensor2D,
  kept: KeptKeys,
  sizes: Pick<CachedAttentionOptions, "heads" | "units" | "column">,
  grids: AttentionGrids,
  pass: Pass,
): tf.Tensor2D {
  const { softmax, cells } = grids;
  if (cells?.holdsCodes !== true) {
    const options = { ...sizes, scales: null, softmax };
    return cachedAttention(valuesOf(queries, pass), kept, options);
  }
  const scales = { queries: grids.queries!.scale!, cells: cells.scale! };
  return cachedAttention(queries, kept, { ...sizes, scales, softmax });
}
