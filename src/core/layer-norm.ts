/** Layer normalization in float32 with a fixed order of operations. */
import { laneSum, laneSumOfSquares } from "./lane-sum.ts";
import { ShapeError } from "../errors.ts";

/** Parameters of {@link layerNorm}. */
export interface LayerNormWeights {
  /** [units]. */
  readonly gamma: Float32Array;
  /** [units]. */
  readonly beta: Float32Array;
  /** Added to the variance, inside the square root. */
  readonly epsilon: number;
}

/**
 * For each row: mean = Σx/units, d = x − mean, deviation = √(Σd²/units + epsilon),
 * out = (d/deviation)·gamma + beta. One float32 rounding for each operation, division and square
 * root as IEEE 754, sums by `lane-sum.ts`.
 * @param x [rows, units]
 * @param out [rows, units]; may be x
 * @returns out
 * @throws {ShapeError} if the lengths do not fit
 */
export function layerNorm(
  x: Float32Array,
  out: Float32Array,
  { gamma, beta, epsilon }: LayerNormWeights,
): Float32Array {
  const f = Math.fround;
  const units = gamma.length;
  if (beta.length !== units || x.length % units !== 0 || out.length !== x.length) {
    throw new ShapeError(
      `layerNorm: expected beta of ${units} and rows of ${units} units, received ${beta.length}, ` +
        `${x.length} and ${out.length} elements. Pass row-major arrays.`,
    );
  }
  const eps = f(epsilon);
  for (let start = 0; start < x.length; start += units) {
    const mean = f(laneSum(x, start, units) / units);
    for (let i = start; i < start + units; i++) out[i] = x[i]! - mean;
    const variance = f(laneSumOfSquares(out, start, units) / units);
    const deviation = f(Math.sqrt(f(variance + eps)));
    for (let j = 0, i = start; j < units; j++, i++) {
      out[i] = f(f(out[i]! / deviation) * gamma[j]!) + beta[j]!;
    }
  }
  return out;
}
