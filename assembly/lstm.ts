/**
 * LSTMs: src/core/lstm.ts. Grids of six places as in place-grid.ts, in the order of the gates i, f, g,
 * o, of the cell and of the hidden state. Rows of a batch are independent of each other.
 */
import { sigmoidLanes, tanhLanes } from "./gates";
import { loadUpTo, storeUpTo } from "./lanes";
import { packedProduct } from "./packed-gemm";
import { GRID_BYTES, onGrid } from "./place-grid";

/** Cell and hidden state of one row from its gate sums. @param cell 0 for none */
function stepRow(
  sums: usize, cell: usize, hidden: usize, next: usize, units: i32, grids: usize,
): void {
  const gate = (<usize>units) << 2;
  for (let u = 0; u < units; u += 4) {
    const left = units - u;
    const at = (<usize>u) << 2;
    const from = sums + at;
    const i = sigmoidLanes(onGrid(loadUpTo(from, left), grids));
    const g = tanhLanes(onGrid(loadUpTo(from + 2 * gate, left), grids + 2 * GRID_BYTES));
    let c = f32x4.mul(i, g);
    if (cell) {
      const f = sigmoidLanes(onGrid(loadUpTo(from + gate, left), grids + GRID_BYTES));
      c = f32x4.add(f32x4.mul(f, loadUpTo(cell + at, left)), c);
    }
    c = onGrid(c, grids + 4 * GRID_BYTES);
    const o = sigmoidLanes(onGrid(loadUpTo(from + 3 * gate, left), grids + 3 * GRID_BYTES));
    const h = onGrid(f32x4.mul(o, tanhLanes(c)), grids + 5 * GRID_BYTES);
    storeUpTo(next + at, c, left);
    storeUpTo(hidden + at, h, left);
  }
}

/** One step for rows `rowBegin` to `rowEnd`. @param cell 0 for none */
export function lstmCell(
  sums: usize, cell: usize, hidden: usize, next: usize, grids: usize,
  rowBegin: i32, rowEnd: i32, units: i32,
): void {
  const rowBytes = (<usize>units) << 2;
  for (let row = rowBegin; row < rowEnd; row++) {
    const at = <usize>row * rowBytes;
    stepRow(sums + 4 * at, cell ? cell + at : 0, hidden + at, next + at, units, grids);
  }
}

/** sums = gates + (sums + bias), or gates + bias in the first step without states. */
function addGates(sums: usize, gates: usize, bias: usize, width: i32, hasProduct: bool): void {
  for (let j = 0; j < width; j += 4) {
    const at = (<usize>j) << 2;
    // A row has 4·units elements.
    let s = v128.load(bias + at);
    if (hasProduct) s = f32x4.add(v128.load(sums + at), s);
    v128.store(sums + at, f32x4.add(v128.load(gates + at), s));
  }
}

/**
 * All steps for rows `rowBegin` to `rowEnd` of the batch.
 *
 * @param packed the kernel, by packRight
 * @param hidden0 first states, or 0 for none; cell0 likewise
 * @param hidden receives [time, batch, units]; cells likewise; sums receives [time, batch, 4·units]
 * @param scratch address of 160 bytes
 */
export function lstmSequence(
  gates: usize, packed: usize, bias: usize, hidden0: usize, cell0: usize,
  hidden: usize, cells: usize, sums: usize, grids: usize,
  time: i32, batch: i32, units: i32, rowBegin: i32, rowEnd: i32, scratch: usize,
): void {
  const rowBytes = (<usize>units) << 2;
  const skipped = <usize>rowBegin * rowBytes;
  const stepBytes = <usize>batch * rowBytes;
  const rows = rowEnd - rowBegin;
  let before = hidden0 ? hidden0 + skipped : 0;
  let cell = cell0 ? cell0 + skipped : 0;
  for (let t = 0; t < time; t++) {
    const from = <usize>t * stepBytes + skipped;
    const to = sums + 4 * from;
    if (before) packedProduct(before, packed, to, rows, 4 * units, units, scratch);
    for (let row = 0; row < rows; row++) {
      const at = <usize>row * rowBytes;
      addGates(to + 4 * at, gates + 4 * (from + at), bias, 4 * units, before != 0);
    }
    lstmCell(to, cell, hidden + from, cells + from, grids, 0, rows, units);
    before = hidden + from;
    cell = cells + from;
  }
}
