/** The gradient of LSTMs through time: src/core/lstm-gradient.ts, without its sums over all steps. */
import { sigmoidLanes, sigmoidSlope, tanhLanes, tanhSlope } from "./gates";
import { loadUpTo, storeUpTo } from "./lanes";
import { packedProduct } from "./packed-gemm";
import { backThrough, GRID_BYTES, LANES_BYTES, onGrid } from "./place-grid";

/** Places with grids. */
const PLACES: usize = 6;

/**
 * One row of a step: dgates, and dcell of the step before.
 *
 * @param carried gradient of the hidden state through the next step
 * @param dcells gradient of the cell besides that of the next step, or 0; before: the cell before, or 0
 * @param dcell the cell's gradient of the next step, then of the step before
 * @param lanes what the bounds of the row's places collect
 */
function gradRow(
  dhidden: usize, carried: usize, dcells: usize, before: usize, cell: usize,
  sums: usize, dgates: usize, dcell: usize, lanes: usize, grids: usize, units: i32,
): void {
  const gate = (<usize>units) << 2;
  for (let u = 0; u < units; u += 4) {
    const left = units - u;
    const at = (<usize>u) << 2;
    const from = sums + at;
    const to = dgates + at;
    const rawI = loadUpTo(from, left);
    const rawG = loadUpTo(from + 2 * gate, left);
    const rawO = loadUpTo(from + 3 * gate, left);
    const i = sigmoidLanes(onGrid(rawI, grids));
    const g = tanhLanes(onGrid(rawG, grids + 2 * GRID_BYTES));
    const o = sigmoidLanes(onGrid(rawO, grids + 3 * GRID_BYTES));
    const tangent = tanhLanes(loadUpTo(cell + at, left));
    let dh = f32x4.add(loadUpTo(dhidden + at, left), loadUpTo(carried + at, left));
    dh = backThrough(f32x4.mul(o, tangent), dh, grids + 5 * GRID_BYTES, lanes + 5 * LANES_BYTES);
    let dc = loadUpTo(dcell + at, left);
    if (dcells) dc = f32x4.add(dc, loadUpTo(dcells + at, left));
    dc = f32x4.add(dc, f32x4.mul(f32x4.mul(dh, o), tanhSlope(tangent)));
    let raw = f32x4.mul(i, g);
    let df = f32x4.splat(0);
    if (before) {
      const rawF = loadUpTo(from + gate, left);
      const f = sigmoidLanes(onGrid(rawF, grids + GRID_BYTES));
      const c = loadUpTo(before + at, left);
      raw = f32x4.add(f32x4.mul(f, c), raw);
      dc = backThrough(raw, dc, grids + 4 * GRID_BYTES, lanes + 4 * LANES_BYTES);
      df = f32x4.mul(f32x4.mul(dc, c), sigmoidSlope(f));
      df = backThrough(rawF, df, grids + GRID_BYTES, lanes + LANES_BYTES);
      storeUpTo(dcell + at, f32x4.mul(dc, f), left);
    } else {
      dc = backThrough(raw, dc, grids + 4 * GRID_BYTES, lanes + 4 * LANES_BYTES);
    }
    storeUpTo(to + gate, df, left);
    const di = f32x4.mul(f32x4.mul(dc, g), sigmoidSlope(i));
    storeUpTo(to, backThrough(rawI, di, grids, lanes), left);
    const dg = f32x4.mul(f32x4.mul(dc, i), tanhSlope(g));
    const passedG = backThrough(rawG, dg, grids + 2 * GRID_BYTES, lanes + 2 * LANES_BYTES);
    storeUpTo(to + 2 * gate, passedG, left);
    const dO = f32x4.mul(f32x4.mul(dh, tangent), sigmoidSlope(o));
    const passedO = backThrough(rawO, dO, grids + 3 * GRID_BYTES, lanes + 3 * LANES_BYTES);
    storeUpTo(to + 3 * gate, passedO, left);
  }
}

/**
 * All steps, from the last to the first, for rows `rowBegin` to `rowEnd` of the batch.
 *
 * @param dcells gradients of the cells, or 0
 * @param packed the transposed kernel, by packRight
 * @param cell0 the first cells, or 0 where the sequence began without states
 * @param carried receives the gradient of the first hidden state [batch, units]; dcell that of the cell
 * @param grids of the six places, then room for what their bounds collect: float64
 *   [batch, places, above and below, 4 lanes]
 * @param scratch address of 160 bytes
 */
export function lstmSequenceGrad(
  dhidden: usize, dcells: usize, packed: usize, cell0: usize, cells: usize, sums: usize,
  dgates: usize, carried: usize, dcell: usize, grids: usize,
  time: i32, batch: i32, units: i32, rowBegin: i32, rowEnd: i32, scratch: usize,
): void {
  const rowBytes = (<usize>units) << 2;
  const stepBytes = <usize>batch * rowBytes;
  const skipped = <usize>rowBegin * rowBytes;
  const rows = rowEnd - rowBegin;
  const lanes = grids + PLACES * (GRID_BYTES + <usize>rowBegin * LANES_BYTES);
  const ofRows = <usize>rows * rowBytes;
  memory.fill(lanes, 0, <usize>rows * PLACES * LANES_BYTES);
  memory.fill(carried + skipped, 0, ofRows);
  memory.fill(dcell + skipped, 0, ofRows);
  for (let t = time - 1; t >= 0; t--) {
    const step = <usize>t * stepBytes + skipped;
    const before = t > 0 ? cells + step - stepBytes : cell0 ? cell0 + skipped : 0;
    for (let row = 0; row < rows; row++) {
      const at = <usize>row * rowBytes;
      const state = step + at;
      gradRow(
        dhidden + state, carried + skipped + at, dcells ? dcells + state : 0,
        before ? before + at : 0, cells + state, sums + 4 * state, dgates + 4 * state,
        dcell + skipped + at, lanes + <usize>row * PLACES * LANES_BYTES, grids, units,
      );
    }
    if (t > 0 || cell0) {
      packedProduct(dgates + 4 * step, packed, carried + skipped, rows, units, 4 * units, scratch);
    }
  }
}
