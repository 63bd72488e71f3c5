/** Scores of additive attention and their gradient: src/core/additive-scores.ts. */
import { tanhLanes, tanhSlope } from "./gates";
import { loadUpTo, storeUpTo, sumLanes } from "./lanes";
import { backThrough, GRID_BYTES, LANES_BYTES, onGrid } from "./place-grid";

// @ts-ignore: decorator
@inline
function tangentAt(query: usize, key: usize, bias: usize, left: i32): v128 {
  const sum = f32x4.add(loadUpTo(query, left), loadUpTo(key, left));
  return tanhLanes(f32x4.add(sum, loadUpTo(bias, left)));
}

/**
 * Scores of rows `rowBegin` to `rowEnd` of [batch·time].
 * @param grid of the tangents, as in place-grid.ts
 */
export function additiveScores(
  queries: usize, keys: usize, bias: usize, weights: usize, out: usize, grid: usize,
  rowBegin: i32, rowEnd: i32, time: i32, sourceTime: i32, units: i32,
): void {
  const rowBytes = (<usize>units) << 2;
  for (let row = rowBegin; row < rowEnd; row++) {
    const query = queries + <usize>row * rowBytes;
    const firstKey = keys + <usize>(row / time) * <usize>sourceTime * rowBytes;
    const to = out + ((<usize>row * <usize>sourceTime) << 2);
    for (let s = 0; s < sourceTime; s++) {
      const key = firstKey + <usize>s * rowBytes;
      let lanes = f32x4.splat(0);
      for (let u = 0; u < units; u += 4) {
        const at = (<usize>u) << 2;
        const left = units - u;
        const y = onGrid(tangentAt(query + at, key + at, bias + at, left), grid);
        lanes = f32x4.add(lanes, f32x4.mul(loadUpTo(weights + at, left), y));
      }
      store<f32>(to + ((<usize>s) << 2), sumLanes(lanes));
    }
  }
}

/**
 * Gradients for members `begin` to `end` of the batch.
 *
 * @param shares receives each member's part of dweights [batch, units]
 * @param grid of the tangents, then room for what its bounds collect: float64
 *   [batch, above and below, 4 lanes]
 */
export function additiveScoresGrad(
  dscores: usize, queries: usize, keys: usize, bias: usize, weights: usize,
  dqueries: usize, dkeys: usize, shares: usize, grid: usize,
  begin: i32, end: i32, time: i32, sourceTime: i32, units: i32,
): void {
  const rowBytes = (<usize>units) << 2;
  for (let member = begin; member < end; member++) {
    const ofKeys = <usize>member * <usize>sourceTime * rowBytes;
    const share = shares + <usize>member * rowBytes;
    const lanes = grid + GRID_BYTES + <usize>member * LANES_BYTES;
    memory.fill(dkeys + ofKeys, 0, <usize>sourceTime * rowBytes);
    memory.fill(share, 0, rowBytes);
    memory.fill(lanes, 0, LANES_BYTES);
    for (let row = member * time; row < (member + 1) * time; row++) {
      const ofQuery = <usize>row * rowBytes;
      memory.fill(dqueries + ofQuery, 0, rowBytes);
      for (let s = 0; s < sourceTime; s++) {
        const dscore = v128.load32_splat(dscores + ((<usize>(row * sourceTime + s)) << 2));
        const ofKey = ofKeys + <usize>s * rowBytes;
        for (let u = 0; u < units; u += 4) {
          const at = (<usize>u) << 2;
          const left = units - u;
          const y = tangentAt(queries + ofQuery + at, keys + ofKey + at, bias + at, left);
          addUpTo(share + at, f32x4.mul(dscore, onGrid(y, grid)), left);
          const d = backThrough(y, f32x4.mul(dscore, loadUpTo(weights + at, left)), grid, lanes);
          const ds = f32x4.mul(d, tanhSlope(y));
          addUpTo(dqueries + ofQuery + at, ds, left);
          addUpTo(dkeys + ofKey + at, ds, left);
        }
      }
    }
  }
}

// @ts-ignore: decorator
@inline
function addUpTo(to: usize, x: v128, left: i32): void {
  storeUpTo(to, f32x4.add(loadUpTo(to, left), x), left);
}
