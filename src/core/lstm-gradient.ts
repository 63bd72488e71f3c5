/** The gradient of `lstm.ts`: back through time, straight through the quantizers. */
import { onGrid } from "./affine.ts";
import { ClipSums } from "./clip-sums.ts";
import { floatProduct } from "./float-product.ts";
import { sigmoid32, tanh32 } from "./gate-activations.ts";
import { LSTM_PLACE, type LstmGridList, type LstmSequenceStates, type LstmSize } from "./lstm.ts";
import type { ZeroClipRule } from "./quantize.ts";

/** What the gradient is computed from. */
export interface LstmGradientInputs extends LstmSequenceStates {
  /** [time, batch, units]: gradients of the hidden states, and of the cells where they have one. */
  readonly dhidden: Float32Array;
  readonly dcells: Float32Array | null;
  /** [units, 4·units]. */
  readonly kernel: Float32Array;
  /** [batch, units] each, or both null, as the sequence had them. */
  readonly firstHidden: Float32Array | null;
  readonly firstCell: Float32Array | null;
}

/** Receives the gradients; not initialised. */
export interface LstmGradients {
  /** [time, batch, 4·units]. */
  readonly dgates: Float32Array;
  /** [units, 4·units]. */
  readonly dkernel: Float32Array;
  /** [4·units]. */
  readonly dbias: Float32Array;
  /** [6]; 0 for places in float. */
  readonly dclips: Float32Array;
  /** [batch, units] each, or both null. */
  readonly dhidden: Float32Array | null;
  readonly dcell: Float32Array | null;
}

/**
 * With h the gradient of a hidden state (its own plus fround(dgates'·kernelᵀ) of the next step) and c
 * that of a cell (of the next step, plus its own, plus through the hidden state), each passed back
 * through its quantizer as `quantize.ts`' fakeQuantGradient does. All elements are float32 with one
 * rounding for each operation. dkernel = Σ hidden before·dgates and dbias = Σ dgates in the order of
 * [time, batch] in float32. A clip's sums are made for each row of the batch, from the last time to
 * the first, in four float64 lanes by unit, then added in the order of the rows.
 */
export function lstmGradient(
  inputs: LstmGradientInputs,
  size: LstmSize,
  { grids, compat }: { readonly grids: LstmGridList; readonly compat: ZeroClipRule },
  out: LstmGradients,
): void {
  const { time, batch, units } = size;
  const rows = batch * units;
  const spec = { m: batch, k: 4 * units, n: units, transposeB: true };
  const clips = new ClipSums(grids, compat, batch);
  const dcell = new Float32Array(rows);
  let dhidden: Float32Array = new Float32Array(rows);
  for (let t = time - 1; t >= 0; t--) {
    const before = t === 0 ? inputs.firstCell : inputs.cells.subarray((t - 1) * rows, t * rows);
    const at = { t, size, before, clips, grids };
    stepGradient(inputs, at, { dhidden, dcell }, out.dgates);
    const dsums = out.dgates.subarray(4 * t * rows, 4 * (t + 1) * rows);
    if (t > 0 || inputs.firstHidden !== null) dhidden = floatProduct(dsums, inputs.kernel, spec);
  }
  out.dhidden?.set(dhidden);
  out.dcell?.set(dcell);
  out.dclips.set(clips.gradients());
  sumOverSteps(inputs, size, out);
}

/** A step: its time, and what all steps share. */
interface StepPlace {
  readonly t: number;
  readonly size: LstmSize;
  /** The cell before; null for none. */
  readonly before: Float32Array | null;
  readonly clips: ClipSums;
  readonly grids: LstmGridList;
}

/** Writes dgates of a step, and into `carried` the cell's gradient for the step before. */
function stepGradient(
  { sums, cells, dhidden, dcells }: LstmGradientInputs,
  { t, size: { batch, units }, before, clips, grids }: StepPlace,
  carried: { readonly dhidden: Float32Array; readonly dcell: Float32Array },
  dgates: Float32Array,
): void {
  const f = Math.fround;
  const { i: I, f: F, g: G, o: O, cell: C, hidden: H } = LSTM_PLACE;
  for (let at = 0; at < batch * units; at++) {
    const unit = at % units;
    const row = (at - unit) / units;
    const state = t * batch * units + at;
    const sum = 4 * (state - unit) + unit;
    const raw = (place: number): number => sums[sum + place * units]!;
    const on = (place: number): number => onGrid(raw(place), grids[place]!);
    const back = (place: number, x: number, d: number): number =>
      clips.back({ place, row, unit }, x, d);
    const [i, g, o] = [sigmoid32(on(I)), tanh32(on(G)), sigmoid32(on(O))];
    const tangent = tanh32(cells[state]!);
    const dh = back(H, f(o * tangent), f(dhidden[state]! + carried.dhidden[at]!));
    let dc = carried.dcell[at]!;
    if (dcells !== null) dc = f(dc + dcells[state]!);
    dc = f(dc + f(f(dh * o) * f(1 - f(tangent * tangent))));
    const added = f(i * g);
    let df = 0;
    if (before === null) {
      dc = back(C, added, dc);
    } else {
      const forget = sigmoid32(on(F));
      const cell = before[at]!;
      dc = back(C, f(f(forget * cell) + added), dc);
      df = back(F, raw(F), f(f(dc * cell) * slope(forget)));
      carried.dcell[at] = dc * forget;
    }
    dgates[sum + F * units] = df;
    dgates[sum + I * units] = back(I, raw(I), f(f(dc * g) * slope(i)));
    dgates[sum + G * units] = back(G, raw(G), f(f(dc * i) * f(1 - f(g * g))));
    dgates[sum + O * units] = back(O, raw(O), f(f(dh * tangent) * slope(o)));
  }
}

/** dσ/dx of a sigmoid's result. */
function slope(y: number): number {
  return Math.fround(y * Math.fround(1 - y));
}

/** dkernel and dbias from the gradients of all gate sums. */
function sumOverSteps(
  { hidden, firstHidden }: LstmGradientInputs,
  { time, batch, units }: LstmSize,
  { dgates, dkernel, dbias }: LstmGradients,
): void {
  const first = firstHidden === null ? 1 : 0;
  const steps = Math.max(time - first, 0);
  const width = 4 * units;
  const before = new Float32Array(steps * batch * units);
  if (firstHidden !== null) before.set(firstHidden);
  before.set(hidden.subarray(0, Math.max(time - 1, 0) * batch * units), firstHidden?.length ?? 0);
  const later = dgates.subarray(first * batch * width);
  const spec = { m: units, k: steps * batch, n: width, transposeA: true };
  dkernel.set(floatProduct(before, later, spec));
  dbias.fill(0);
  dgates.forEach((d, at) => (dbias[at % width]! += d));
}
