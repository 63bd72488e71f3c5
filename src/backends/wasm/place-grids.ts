/** How the grids of a kernel with several quantizers lie in memory: assembly/place-grid.ts. */
import type { Grid } from "../../core/affine.ts";
import { passesAll } from "../../core/clip-sums.ts";
import type { ZeroClipRule } from "../../core/quantize.ts";
import type { SimdCall } from "./simd-call.ts";

/** 32-bit words of a grid, and float64 that its bounds collect for a row. */
const WORDS = 8;
const LANES = 8;

export const GRID_BYTES = 4 * WORDS;
export const LANES_BYTES = 8 * LANES;

/** Options of {@link writePlaceGrids}. */
export interface PlaceGridOptions {
  /** Rule of gradients for clips at zero [default: none]. */
  readonly compat?: ZeroClipRule;
  /** Place whose codes are wanted instead of values. */
  readonly codesAt?: number;
}

/** Writes the grids of all places at an address of {@link GRID_BYTES} each. */
export function writePlaceGrids(
  call: Pick<SimdCall, "floatsAt" | "intsAt">,
  address: number,
  grids: readonly (Grid | null)[],
  { compat = "none", codesAt }: PlaceGridOptions = {},
): void {
  const floats = call.floatsAt(address, WORDS * grids.length);
  const ints = call.intsAt(address, WORDS * grids.length);
  grids.forEach((grid, place) => {
    const at = WORDS * place;
    ints.fill(0, at, at + WORDS);
    if (grid === null) return;
    const { scale, lowest, highest, isZero } = grid;
    const [qmin, qmax] = isZero ? [0, 0] : [grid.qmin, grid.qmax];
    const step = place === codesAt ? 1 : scale;
    floats.set([scale, step, qmin, qmax, lowest, highest], at + 1);
    ints[at] = grid.rounding === "half_up" ? 2 : 1;
    ints[at + 7] = passesAll(grid, compat) ? 0 : 1;
  });
}
