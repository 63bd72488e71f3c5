/** The end of a search for a rounding: single choices are turned over while that helps. */

/** Arrays of a rounding problem; row-major [inputs, outputs] but for H. */
export interface FlipProblem {
  readonly inputs: number;
  readonly outputs: number;
  /** low − w. */
  readonly error: Float32Array;
  /** high − low. */
  readonly width: Float32Array;
  /** H, [inputs, inputs], symmetric. */
  readonly hessian: Float64Array;
}

/** A choice for each output, and its dᵀ·H·d. */
export interface FlippedRounding {
  /** 1 chooses `high`, 0 `low`; [inputs, outputs]. */
  readonly ups: Float32Array;
  /** [outputs]. */
  readonly errors: Float64Array;
}

/** Sweeps over the inputs; on real weights the last one to change anything comes sooner. */
const MOST_SWEEPS = 50;
/** A flip must gain this share of what the output's error is, so that rounding cannot turn it back. */
const LEAST_GAIN = 1e-9;

/**
 * Coordinate descent for each output, in float64: turning choice k by δ = ±width changes dᵀ·H·d by
 * δ²·H[k,k] + 2δ·(H·d)[k]. Ends where no single turn helps; the result is never worse than `ups`.
 */
export function flipRounding(problem: FlipProblem, ups: Float32Array): FlippedRounding {
  const { inputs, outputs } = problem;
  const result = ups.slice();
  const errors = new Float64Array(outputs);
  for (let n = 0; n < outputs; n++) {
    const column = columnOf(problem, ups, n);
    errors[n] = flipColumn(column, problem.hessian);
    for (let k = 0; k < inputs; k++) result[k * outputs + n] = column.ups[k]!;
  }
  return { ups: result, errors };
}

/** dᵀ·H·d of each output, [outputs]. */
export function errorsOf(problem: FlipProblem, ups: Float32Array): Float64Array {
  return new Float64Array(problem.outputs).map((_, n) => {
    return errorOf(columnOf(problem, ups, n).d, problem.hessian);
  });
}

interface Column {
  readonly ups: Float32Array;
  readonly widths: Float64Array;
  readonly d: Float64Array;
}

function columnOf(
  { inputs, outputs, error, width }: FlipProblem,
  ups: Float32Array,
  n: number,
): Column {
  const column = {
    ups: new Float32Array(inputs),
    widths: new Float64Array(inputs),
    d: new Float64Array(inputs),
  };
  for (let k = 0; k < inputs; k++) {
    const at = k * outputs + n;
    column.ups[k] = ups[at]!;
    column.widths[k] = width[at]!;
    column.d[k] = error[at]! + ups[at]! * width[at]!;
  }
  return column;
}

/** Flips the choices of one output in place. @returns dᵀ·H·d */
function flipColumn({ ups, widths, d }: Column, hessian: Float64Array): number {
  const inputs = d.length;
  const byH = productWith(hessian, d);
  let total = d.reduce((sum, value, k) => sum + value * byH[k]!, 0);
  for (let sweep = 0, changed = true; changed && sweep < MOST_SWEEPS; sweep++) {
    changed = false;
    for (let k = 0; k < inputs; k++) {
      const delta = ups[k] === 1 ? -widths[k]! : widths[k]!;
      const change = delta * (delta * hessian[k * inputs + k]! + 2 * byH[k]!);
      if (!(change < -LEAST_GAIN * total)) continue;
      changed = true;
      total += change;
      ups[k] = 1 - ups[k]!;
      d[k]! += delta;
      const row = k * inputs;
      for (let l = 0; l < inputs; l++) byH[l]! += delta * hessian[row + l]!;
    }
  }
  return errorOf(d, hessian);
}

function errorOf(d: Float64Array, hessian: Float64Array): number {
  const byH = productWith(hessian, d);
  return d.reduce((sum, value, k) => sum + value * byH[k]!, 0);
}

function productWith(hessian: Float64Array, d: Float64Array): Float64Array {
  const inputs = d.length;
  return d.map((_, k) => {
    let sum = 0;
    for (let l = 0; l < inputs; l++) sum += hessian[k * inputs + l]! * d[l]!;
    return sum;
  });
}
