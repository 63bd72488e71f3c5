/** Inputs of LSTM tests: sizes, grids and seeds at which no value lies near a rounding boundary. */
import * as tf from "@tensorflow/tfjs";
import type { LstmGrids, LstmInputs } from "../../src/ops/lstm-sequence.ts";
import { normals } from "./numeric.ts";
import { plainLstm, type PlainLstmInputs, type PlainLstmSize } from "./plain-lstm.ts";
import { StraightThrough } from "./straight-through.ts";

export interface LstmCase extends PlainLstmSize {
  readonly of: string;
  readonly grids: LstmGrids;
  readonly clips: readonly number[];
  readonly isStarted: boolean;
}

/** Wide enough for most values. */
const WIDE = [2.5, 2, 1.8, 2.2, 1.1, 0.6];
/** Exceeded by many. */
const NARROW = [0.8, 0.5, 0.6, 0.7, 0.25, 0.15];

type Bits = LstmGrids["bits"];
const grids = (bits: Bits, rounding: LstmGrids["rounding"] = "half_even"): LstmGrids => {
  return { bits, rounding, compat: "none" };
};
const FLOAT = grids([0, 0, 0, 0, 0, 0]);
const EIGHT = grids([8, 8, 8, 8, 8, 8]);
const WIDE_CELLS = grids([8, 8, 8, 8, 16, 8]);

export const LSTM_CASES: readonly LstmCase[] = [
  { of: "one of each", time: 1, batch: 1, units: 1, grids: EIGHT, clips: WIDE, isStarted: false },
  { of: "float", time: 4, batch: 2, units: 3, grids: FLOAT, clips: WIDE, isStarted: false },
  { of: "float, states", time: 3, batch: 1, units: 5, grids: FLOAT, clips: WIDE, isStarted: true },
  { of: "8 bits", time: 4, batch: 2, units: 3, grids: EIGHT, clips: WIDE, isStarted: false },
  { of: "8 bits, states", time: 3, batch: 2, units: 5, grids: EIGHT, clips: WIDE, isStarted: true },
  { of: "clipped", time: 3, batch: 3, units: 7, grids: EIGHT, clips: NARROW, isStarted: true },
  {
    ...{ of: "half up", time: 3, batch: 2, units: 3, clips: NARROW, isStarted: true },
    grids: grids([8, 8, 8, 8, 8, 8], "half_up"),
  },
  {
    ...{ of: "16-bit cells", time: 2, batch: 2, units: 3, clips: WIDE, isStarted: true },
    grids: WIDE_CELLS,
  },
  {
    ...{ of: "places in float", time: 3, batch: 1, units: 7, clips: NARROW, isStarted: false },
    grids: grids([0, 6, 8, 0, 0, 5]),
  },
  {
    of: "one step, states",
    time: 1,
    batch: 2,
    units: 7,
    grids: EIGHT,
    clips: WIDE,
    isStarted: true,
  },
  { of: "20 units", time: 2, batch: 3, units: 20, grids: EIGHT, clips: WIDE, isStarted: false },
];

/** Values with a tie nearer than this many steps are not used: rounding errors are far smaller. */
const LEAST_FROM_TIE = 0.002;

/** Float64 copies of float32 inputs. */
export function lstmValues(lstm: LstmCase): PlainLstmInputs {
  for (let seed = 1; seed < 200; seed++) {
    const values = valuesOf(lstm, seed);
    const rule = new StraightThrough(lstm.grids.rounding);
    plainLstm(values, lstm, lstm.grids.bits, rule.record());
    if (rule.closestTie >= LEAST_FROM_TIE) return values;
  }
  throw new Error(`no seed without ties for ${lstm.of}`);
}

function valuesOf(
  { time, batch, units, clips, isStarted }: LstmCase,
  seed: number,
): PlainLstmInputs {
  const normal = (size: number, stream: number, deviation = 1): Float64Array =>
    Float64Array.from(normals(size, 10 * seed + stream, deviation));
  const state = (stream: number): Float64Array | null =>
    isStarted ? normal(batch * units, stream, 0.4) : null;
  return {
    gates: normal(time * batch * 4 * units, 1, 0.7),
    kernel: normal(units * 4 * units, 2, units ** -0.5),
    bias: normal(4 * units, 3, 0.3),
    clips: Float64Array.from(clips, Math.fround),
    hidden: state(4),
    cell: state(5),
  };
}

/** The same as tensors. */
export function lstmTensors(values: PlainLstmInputs, lstm: PlainLstmSize): LstmInputs {
  const { time, batch, units } = lstm;
  const state = (x: Float64Array | null): tf.Tensor2D | null =>
    x === null ? null : tf.tensor2d(Float32Array.from(x), [batch, units]);
  return {
    gates: tf.tensor3d(Float32Array.from(values.gates), [time, batch, 4 * units]),
    kernel: tf.tensor2d(Float32Array.from(values.kernel), [units, 4 * units]),
    bias: tf.tensor1d(Float32Array.from(values.bias)),
    clips: tf.tensor1d(Float32Array.from(values.clips)),
    hidden: state(values.hidden),
    cell: state(values.cell),
  };
}
