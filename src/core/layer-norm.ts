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
    const deviation = centre(x, start, out.subarray(start, start + units), eps);
    for (let j = 0, i = start; j < units; j++, i++) {
      out[i] = f(f(out[i]! / deviation) * gamma[j]!) + beta[j]!;
    }
  }
  return out;
}

/** out = x − mean over one row; returns √(Σ out²/units + eps). */
function centre(x: Float32Array, start: number, out: Float32Array, eps: number): number {
  const f = Math.fround;
  const units = out.length;
  const mean = f(laneSum(x, start, units) / units);
  for (let j = 0; j < units; j++) out[j] = x[start + j]! - mean;
  const variance = f(laneSumOfSquares(out, 0, units) / units);
  return f(Math.sqrt(f(variance + eps)));
}

/** What {@link layerNormGradient} is computed from. */
export interface LayerNormGradientInputs {
  /** [rows, units]. */
  readonly x: Float32Array;
  /** [rows, units]. */
  readonly dy: Float32Array;
  /** [units]. */
  readonly gamma: Float32Array;
  readonly epsilon: number;
}

/**
 * With h = (x − mean)/deviation and g = dy·gamma: dx = ((g − mean(g)) − h·mean(g·h))/deviation for
 * each row; dgamma = Σ dy·h and dbeta = Σ dy, added in the order of the rows. Every operation is
 * rounded to float32, means by `lane-sum.ts`.
 * @param out receive the gradients, of the shapes of x, gamma and gamma
 */
export function layerNormGradient(
  { x, dy, gamma, epsilon }: LayerNormGradientInputs,
  out: { readonly dx: Float32Array; readonly dgamma: Float32Array; readonly dbeta: Float32Array },
): void {
  const f = Math.fround;
  const { dx, dgamma, dbeta } = out;
  const units = gamma.length;
  const h = new Float32Array(units);
  const g = new Float32Array(units);
  const gh = new Float32Array(units);
  dgamma.fill(0);
  dbeta.fill(0);
  for (let start = 0; start < x.length; start += units) {
    const deviation = centre(x, start, h, f(epsilon));
    for (let j = 0; j < units; j++) {
      const d = dy[start + j]!;
      h[j] = h[j]! / deviation;
      g[j] = d * gamma[j]!;
      gh[j] = g[j]! * h[j]!;
      dgamma[j] = dgamma[j]! + f(d * h[j]!);
      dbeta[j] = dbeta[j]! + d;
    }
    const meanG = f(laneSum(g, 0, units) / units);
    const meanGh = f(laneSum(gh, 0, units) / units);
    for (let j = 0; j < units; j++) {
      dx[start + j] = f(f(g[j]! - meanG) - f(h[j]! * meanGh)) / deviation;
    }
  }
}
