/** One layer of an LSTM over integer codes. */
import { add, multiply } from "../../core/elementwise.ts";
import { sigmoid32, tanh32 } from "../../core/gate-activations.ts";
import { LSTM_GATES, type LstmGate } from "../../core/lstm.ts";
import type { ActivationQuantizer, Coded } from "./coded.ts";
import { valuesOf } from "./layers.ts";
import { linear, type Linear } from "./product.ts";
import type { Trace } from "./trace.ts";

/** The products and quantizers of a cell. */
export interface LstmWeights {
  readonly units: number;
  readonly input: ActivationQuantizer;
  readonly gates: Readonly<Record<LstmGate, ActivationQuantizer>>;
  readonly cell: ActivationQuantizer;
  readonly hidden: ActivationQuantizer;
  readonly fcGateX: Linear;
  readonly fcGateH: Linear;
}

/** States between two steps; null before the first one. */
export interface LstmState {
  readonly hidden: Coded;
  /** Values on the cell's grid, float32 [units]. */
  readonly cell: Float32Array;
}

/** What a run leaves. */
export interface LstmRun {
  /** Codes of the hidden state at all times, [time, units]. */
  readonly outputs: Coded;
  readonly last: LstmState;
}

/**
 * Runs over a sequence: the sum of both products, each with its bias, is rounded for each gate; then
 * c' = Q(σ(f)·c + σ(i)·tanh(g)) and h' = Q(σ(o)·tanh(c')), every operation rounded to float32.
 * @param x float32 [time, inputs]
 */
export function runLstm(
  x: Float32Array,
  weights: LstmWeights,
  start: LstmState | null,
  trace: Trace,
): LstmRun {
  const { units, input, hidden: grid } = weights;
  const gates = linear(input.apply(x, trace), weights.fcGateX, trace);
  const time = gates.length / (4 * units);
  const codes = new Int32Array(time * units);
  let state = start;
  for (let t = 0; t < time; t++) {
    const part = gates.subarray(t * 4 * units, (t + 1) * 4 * units);
    state = lstmStep(part, state, weights, trace);
    codes.set(state.hidden.codes, t * units);
  }
  return { outputs: { codes, scale: grid.scale, quantizer: grid.path }, last: state! };
}

function lstmStep(
  gates: Float32Array,
  state: LstmState | null,
  weights: LstmWeights,
  trace: Trace,
): LstmState {
  const { units, fcGateH } = weights;
  // A product with zeros is 0: what is left is the bias.
  const recurrent = state === null ? fcGateH.bias! : linear(state.hidden, fcGateH, trace);
  const sums = add(gates, recurrent, new Float32Array(4 * units));
  const [i, f, g, o] = LSTM_GATES.map((gate, at) => {
    const sum = sums.subarray(at * units, (at + 1) * units);
    const rounded = valuesOf(weights.gates[gate].apply(sum, trace));
    return rounded.map(gate === "g" ? tanh32 : sigmoid32);
  }) as [Float32Array, Float32Array, Float32Array, Float32Array];
  const added = multiply(i, g, i);
  const kept = state === null ? new Float32Array(units) : multiply(f, state.cell, f);
  const cell = valuesOf(weights.cell.apply(add(kept, added, kept), trace));
  const output = multiply(o, cell.map(tanh32), o);
  return { hidden: weights.hidden.apply(output, trace), cell };
}
