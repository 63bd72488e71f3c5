/** An LSTM in float32 with quantizers inside and a fixed order of operations: plain loops. */
import { ShapeError } from "../errors.ts";
import { codeOf, type Grid, gridOf, onGrid } from "./affine.ts";
import { gridOfZeroPoint } from "./range-grid.ts";
import { floatProduct } from "./float-product.ts";
import { sigmoid32, tanh32 } from "./gate-activations.ts";
import type { Rounding } from "./qtype.ts";

/**
 * Grids of the gate sums i, f, g, o, of the cell and of the hidden state, in this order; null leaves
 * a place in float.
 */
export type LstmGridList = readonly (Grid | null)[];

/** The quarters of the gate sums, in order. */
export const LSTM_GATES = ["i", "f", "g", "o"] as const;
/** One of {@link LSTM_GATES}. */
export type LstmGate = (typeof LSTM_GATES)[number];

/** Positions in {@link LstmGridList}. */
export const LSTM_PLACE = { i: 0, f: 1, g: 2, o: 3, cell: 4, hidden: 5 } as const;

/**
 * The grids, all of the kind `act`, of clips and bits in the order of {@link LstmGridList}; 0 bits
 * leave a place in float.
 */
export function lstmGrids(
  clips: ArrayLike<number>,
  bits: readonly number[],
  rounding: Rounding,
): LstmGridList {
  return bits.map((b, place) => (b === 0 ? null : gridOf("act", b, clips[place]!, rounding)));
}

/**
 * The grids of observed ranges in the order of {@link LstmGridList}: as those of `range-grid.ts`.
 * @param stored smallest and largest stored codes; null leaves a place in float
 */
export function affineLstmGrids(
  scales: ArrayLike<number>,
  zeroPoints: ArrayLike<number>,
  stored: readonly ({ readonly qmin: number; readonly qmax: number } | null)[],
): LstmGridList {
  return stored.map((codes, place) => {
    if (codes === null) return null;
    return gridOfZeroPoint(codes, scales[place]!, zeroPoints[place]!);
  });
}

/** What one step is given. */
export interface LstmStepInputs {
  /** [rows, 4·units]: the sums of the gates i, f, g, o, not yet quantized. */
  readonly sums: Float32Array;
  /** [rows, units], on its grid; null before the first step, which then has no forget gate. */
  readonly cell: Float32Array | null;
  readonly units: number;
}

/** States after a step, [rows, units] each. */
export interface LstmStepStates {
  readonly hidden: Float32Array;
  /** May be the cell before. */
  readonly cell: Float32Array;
}

/**
 * cell' = Q(fround(fround(σ(Q f)·cell) + fround(σ(Q i)·tanh(Q g)))), hidden' = Q(fround(σ(Q o)·tanh
 * cell')) with the quantizers of `grids`; without a cell, cell' = Q(fround(σ(Q i)·tanh(Q g))).
 *
 * @param out receives the states
 * @param hiddenAs `codes` writes the integers that the next product takes, where hidden has a grid
 * @throws {ShapeError} if the lengths do not fit
 */
export function lstmStep(
  { sums, cell, units }: LstmStepInputs,
  grids: LstmGridList,
  out: LstmStepStates,
  hiddenAs: "values" | "codes" = "values",
): void {
  checkStep({ sums, cell, units }, out);
  const f = Math.fround;
  const [i, forget, g, o, cellGrid, hiddenGrid] = grids as [
    ...[Grid | null, Grid | null, Grid | null, Grid | null, Grid | null, Grid | null],
  ];
  const writesCodes = hiddenAs === "codes" && hiddenGrid !== null;
  for (let at = 0, row = 0; at < out.cell.length; row += 4 * units) {
    for (let u = row; u < row + units; u++, at++) {
      const input = sigmoid32(onGrid(sums[u]!, i));
      const added = f(input * tanh32(onGrid(sums[u + 2 * units]!, g)));
      let next = added;
      if (cell !== null) {
        next = f(f(sigmoid32(onGrid(sums[u + units]!, forget)) * cell[at]!) + added);
      }
      next = onGrid(next, cellGrid);
      out.cell[at] = next;
      const hidden = f(sigmoid32(onGrid(sums[u + 3 * units]!, o)) * tanh32(next));
      out.hidden[at] = writesCodes ? codeOf(hidden, hiddenGrid) : onGrid(hidden, hiddenGrid);
    }
  }
}

/** Sizes of a sequence. */
export interface LstmSize {
  readonly time: number;
  readonly batch: number;
  readonly units: number;
}

/** What a layer is given, row-major. */
export interface LstmSequenceInputs {
  /** [time, batch, 4·units]: the inputs' part of the gate sums. */
  readonly gates: Float32Array;
  /** [units, 4·units]. */
  readonly kernel: Float32Array;
  /** [4·units]. */
  readonly bias: Float32Array;
  /** [batch, units] each, or both null. */
  readonly hidden: Float32Array | null;
  readonly cell: Float32Array | null;
}

/** What a sequence leaves. */
export interface LstmSequenceStates {
  /** [time, batch, units]. */
  readonly hidden: Float32Array;
  /** [time, batch, units]. */
  readonly cells: Float32Array;
  /** [time, batch, 4·units]: the gate sums before their quantizers, for the gradient. */
  readonly sums: Float32Array;
}

/**
 * {@link lstmStep} for each time with sums = fround(gates + fround(hidden·kernel + bias)), the product
 * as {@link floatProduct}; the first step without states has the sums fround(gates + bias).
 * @param out receives the states
 */
export function lstmSequence(
  inputs: LstmSequenceInputs,
  { time, batch, units }: LstmSize,
  grids: LstmGridList,
  out: LstmSequenceStates,
): void {
  const { gates, kernel, bias } = inputs;
  let { hidden, cell } = inputs;
  const width = 4 * units;
  const spec = { m: batch, k: units, n: width };
  const part = (x: Float32Array, t: number, w: number): Float32Array =>
    x.subarray(t * batch * w, (t + 1) * batch * w);
  for (let t = 0; t < time; t++) {
    const sums = part(out.sums, t, width);
    const given = part(gates, t, width);
    const product = hidden === null ? null : floatProduct(hidden, kernel, spec);
    for (let at = 0; at < sums.length; at++) {
      const b = bias[at % width]!;
      sums[at] = given[at]! + (product === null ? b : Math.fround(product[at]! + b));
    }
    const next = { hidden: part(out.hidden, t, units), cell: part(out.cells, t, units) };
    lstmStep({ sums, cell, units }, grids, next);
    ({ hidden, cell } = next);
  }
}

function checkStep({ sums, cell, units }: LstmStepInputs, out: LstmStepStates): void {
  const size = sums.length / 4;
  const lengths = [out.cell.length, out.hidden.length, cell?.length ?? size];
  if (size % units === 0 && lengths.every((length) => length === size)) return;
  throw new ShapeError(
    `lstmStep: expected states of ${size} elements in rows of ${units} for ${sums.length} gate sums, ` +
      `received ${lengths.join(", ")}. Pass row-major arrays.`,
  );
}
