/**
 * Plain float64 references whose quantizers can be replaced by the straight-through rule, so that
 * finite differences give the gradients that operations promise.
 */
import { codeOf, type Grid, gridOf, valueOf } from "../../src/core/affine.ts";
import type { Rounding } from "../../src/core/qtype.ts";

/** One use of a quantizer at the base point. */
interface Use {
  readonly x: number;
  readonly clip: number;
  readonly y: number;
  /** dy/dx and dy/dclip by the rule. */
  readonly slopes: readonly [x: number, clip: number];
}

/** Rounds x, or follows the rule around a base point. @param bits 0: in float */
export type Quantizer = (x: number, clip: number, bits: number) => number;

/** The quantizers of one computation, in the order of their use. */
export class StraightThrough {
  /** Smallest distance of a value from one that rounds the other way, in steps. */
  closestTie = Infinity;
  /** Uses whose value was outside of the clip. */
  clipped = 0;
  readonly #uses: Use[] = [];
  readonly #rounding: Rounding;

  constructor(rounding: Rounding) {
    this.#rounding = rounding;
  }

  /** Quantizes, and remembers the base point. */
  record(): Quantizer {
    return (x, clip, bits) => {
      if (bits === 0) return x;
      const grid = gridOf("act", bits, clip, this.#rounding);
      const y = valueOf(codeOf(Math.fround(x), grid), grid);
      const steps = x / grid.scale;
      const fromTie = Math.abs(steps - Math.floor(steps) - 0.5);
      const isInside = x >= grid.lowest && x <= grid.highest;
      if (isInside) this.closestTie = Math.min(this.closestTie, fromTie);
      else this.clipped++;
      this.#uses.push({ x, clip, y, slopes: slopesAt(x, grid) });
      return y;
    };
  }

  /** The straight line through the base point, use by use. */
  replay(): Quantizer {
    let at = 0;
    return (x, clip, bits) => {
      if (bits === 0) return x;
      const use = this.#uses[at++]!;
      return use.y + use.slopes[0] * (x - use.x) + use.slopes[1] * (clip - use.clip);
    };
  }
}

function slopesAt(x: number, { lowest, highest, qmin, qmax }: Grid): readonly [number, number] {
  if (x > highest) return [0, 1];
  return x < lowest ? [0, qmin / qmax] : [1, 0];
}

/** d f/d values[i] by central differences in float64. */
export function differencesOf(f: () => number, values: Float64Array): Float64Array {
  const step = 1e-6;
  return values.map((value, i) => {
    values[i] = value + step;
    const above = f();
    values[i] = value - step;
    const below = f();
    values[i] = value;
    return (above - below) / (2 * step);
  });
}
