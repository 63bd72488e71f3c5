/** What the bounds of clips collect inside an operation of several quantizers. */
import type { Grid } from "./affine.ts";
import type { ZeroClipRule } from "./quantize.ts";

/** An element: the quantizer that it went through, its row and its place in the row. */
export interface QuantizedElement {
  readonly place: number;
  readonly row: number;
  readonly unit: number;
}

/**
 * Gradients back through several quantizers by the rules of `quantize.ts`' fakeQuantGradient. Sums are
 * kept for each row in four float64 lanes by unit, so that rows can be done one after the other or at
 * once.
 */
export class ClipSums {
  readonly #grids: readonly (Grid | null)[];
  /** True where gradients pass whatever x is. */
  readonly #passes: readonly boolean[];
  readonly #lanes: Float64Array;

  constructor(grids: readonly (Grid | null)[], compat: ZeroClipRule, rows: number) {
    this.#grids = grids;
    this.#passes = grids.map((grid) => passesAll(grid, compat));
    this.#lanes = new Float64Array(rows * grids.length * 8);
  }

  /** What of d passes back through the quantizer of x; its clip collects the rest. */
  back({ place, row, unit }: QuantizedElement, x: number, d: number): number {
    if (this.#passes[place]!) return d;
    const { lowest, highest } = this.#grids[place]!;
    if (x >= lowest && x <= highest) return d;
    const lane = (row * this.#grids.length + place) * 8 + (unit & 3);
    if (x > highest) this.#lanes[lane]! += d;
    else if (x < lowest) this.#lanes[lane + 4]! += d;
    return 0;
  }

  /** d clip for each place; see {@link clipGradients}. */
  gradients(): Float32Array {
    return clipGradients(this.#lanes, this.#grids);
  }
}

/** Whether gradients pass a quantizer whatever x is: in float, and TensorFlow's rule for zero clips. */
export function passesAll(grid: Grid | null, compat: ZeroClipRule): boolean {
  return grid === null || (grid.isZero && compat === "neurst");
}

/**
 * The gradients of clips from what their bounds have collected: Σ above + (qmin/qmax)·Σ below with the
 * rows added in order, rounded once; 0 for places in float.
 * @param lanes [rows, places, above and below, 4 lanes]
 */
export function clipGradients(lanes: Float64Array, grids: readonly (Grid | null)[]): Float32Array {
  const rows = lanes.length / (8 * grids.length);
  const sum = (place: number, half: number): number => {
    let total = 0;
    for (let row = 0; row < rows; row++) {
      const at = (row * grids.length + place) * 8 + half * 4;
      total += lanes[at]! + lanes[at + 2]! + (lanes[at + 1]! + lanes[at + 3]!);
    }
    return total;
  };
  return Float32Array.from(grids, (grid, place) =>
    grid === null ? 0 : sum(place, 0) + (grid.qmin / grid.qmax) * sum(place, 1),
  );
}
