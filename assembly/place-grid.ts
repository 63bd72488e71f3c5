/**
 * Quantizers inside another kernel: places with one grid each, src/core/affine.ts and
 * src/core/clip-sums.ts. A grid is eight 32-bit words: rounding (0 leaves the place in float, 1 half to
 * even, 2 half up), scale, step (scale, or 1 for codes), qmin, qmax, lowest, highest, and 1 where
 * gradients stop at the bounds. Only the first and the last are integers.
 */
import { halfEven, halfUp } from "./fake-quant";
import { highDoubles, lowDoubles } from "./lanes";

/** Bytes of a grid. */
export const GRID_BYTES: usize = 32;
/** Bytes of what the bounds of a place collect for a row: four float64 lanes above, four below. */
export const LANES_BYTES: usize = 64;

/** Four values on their grid. */
// @ts-ignore: decorator
@inline
export function onGrid(x: v128, grid: usize): v128 {
  const rounding = load<i32>(grid);
  if (rounding == 0) return x;
  const scale = v128.load32_splat(grid, 4);
  const step = v128.load32_splat(grid, 8);
  const qmin = v128.load32_splat(grid, 12);
  if (rounding == 1) return halfEven(x, scale, step, qmin, v128.load32_splat(grid, 16));
  const lowest = v128.load32_splat(grid, 20);
  return halfUp(x, scale, step, qmin, lowest, v128.load32_splat(grid, 24));
}

/**
 * What of d passes back through the quantizer of x. The rest goes to `lanes`; lanes beyond the end of a
 * row have x = 0 and d = 0 and add nothing.
 */
// @ts-ignore: decorator
@inline
export function backThrough(x: v128, d: v128, grid: usize, lanes: usize): v128 {
  if (load<i32>(grid, 28) == 0) return d;
  const lowest = v128.load32_splat(grid, 20);
  const highest = v128.load32_splat(grid, 24);
  const inside = v128.and(f32x4.ge(x, lowest), f32x4.le(x, highest));
  if (i32x4.all_true(inside)) return d;
  collect(v128.and(d, f32x4.gt(x, highest)), lanes);
  collect(v128.and(d, f32x4.lt(x, lowest)), lanes + 32);
  return v128.and(d, inside);
}

function collect(d: v128, lanes: usize): void {
  v128.store(lanes, f64x2.add(v128.load(lanes), lowDoubles(d)));
  v128.store(lanes, f64x2.add(v128.load(lanes, 16), highDoubles(d)), 16);
}
