/** Softmax and log-softmax in float32 with a fixed order of operations. */
import { exp32, log32 } from "./exp.ts";
import { laneSum } from "./lane-sum.ts";
import { ShapeError } from "../errors.ts";

/** How many leading columns of a row count: one number a row, or a function of the row. */
export type VisiblePrefix = Int32Array | ((row: number) => number);

/**
 * For each row over its visible columns: e_i = exp32(x_i − max), out_i = e_i / Σe; the sum by
 * `lane-sum.ts`. Columns that are not visible are not read and become exactly 0, so padding has no
 * influence on the result. A row without visible columns is all 0.
 * @param x [rows, columns]
 * @param out [rows, columns]; may be x
 * @param visible number of visible leading columns of each row, 0 … columns
 * @returns out
 * @throws {ShapeError} if the lengths do not fit
 */
export function maskedSoftmax(
  x: Float32Array,
  out: Float32Array,
  rows: number,
  columns: number,
  visible: VisiblePrefix,
): Float32Array {
  checkSize("maskedSoftmax", x, out, rows * columns);
  const f = Math.fround;
  for (let row = 0; row < rows; row++) {
    const count = typeof visible === "function" ? visible(row) : visible[row]!;
    const start = row * columns;
    const end = start + count;
    const max = maximum(x, start, end);
    for (let i = start; i < end; i++) out[i] = exp32(f(x[i]! - max));
    const sum = laneSum(out, start, count);
    for (let i = start; i < end; i++) out[i] = out[i]! / sum;
    out.fill(0, end, start + columns);
  }
  return out;
}

/**
 * For each row: out_i = (x_i − max) − log32(Σ exp32(x_j − max)), natural logarithm; the sum by
 * `lane-sum.ts`.
 * @param x [rows, columns]
 * @param out [rows, columns]; not x
 * @returns out
 * @throws {ShapeError} if the lengths do not fit
 */
export function logSoftmax(
  x: Float32Array,
  out: Float32Array,
  rows: number,
  columns: number,
): Float32Array {
  checkSize("logSoftmax", x, out, rows * columns);
  const f = Math.fround;
  for (let row = 0; row < rows; row++) {
    const start = row * columns;
    const end = start + columns;
    const max = maximum(x, start, end);
    for (let i = start; i < end; i++) out[i] = exp32(f(x[i]! - max));
    const logSum = log32(laneSum(out, start, columns));
    for (let i = start; i < end; i++) out[i] = f(x[i]! - max) - logSum;
  }
  return out;
}

/**
 * Gradient of a softmax: ds_i = p_i·(dp_i − Σ p_j·dp_j) for each row; the sum by `lane-sum.ts`, every
 * operation rounded to float32.
 * @param ds receives [rows, columns]; not p or dp
 * @throws {ShapeError} if the lengths do not fit
 */
export function softmaxGradient(
  dp: Float32Array,
  p: Float32Array,
  ds: Float32Array,
  columns: number,
): void {
  checkSize("softmaxGradient", dp, ds, p.length);
  const f = Math.fround;
  for (let start = 0; start < p.length; start += columns) {
    const end = start + columns;
    for (let i = start; i < end; i++) ds[i] = p[i]! * dp[i]!;
    const dot = laneSum(ds, start, columns);
    for (let i = start; i < end; i++) ds[i] = p[i]! * f(dp[i]! - dot);
  }
}

/** The largest element; NaN if there is one (so that it is not lost), −Infinity if there is none. */
export function maximum(x: Float32Array, start: number, end: number): number {
  let most = -Infinity;
  for (let i = start; i < end; i++) {
    const v = x[i]!;
    if (v > most || v !== v) most = v;
    if (v !== v) break;
  }
  return most;
}

function checkSize(where: string, x: Float32Array, out: Float32Array, size: number): void {
  if (x.length === size && out.length === size) return;
  throw new ShapeError(
    `${where}: expected input and output of ${size} elements, received ${x.length} and ` +
      `${out.length}. Pass row-major arrays of rows · columns.`,
  );
}
