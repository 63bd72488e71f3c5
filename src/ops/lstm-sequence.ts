/** A layer of an LSTM over a whole sequence, in one operation with a hand-written gradient. */
import * as tf from "@tensorflow/tfjs";
import { LSTM_GATES } from "../core/lstm.ts";
import type { Rounding } from "../core/qtype.ts";
import { fakeQuant, type FakeQuantSpec } from "./fake-quant.ts";
import { sigmoid, tanh } from "./gate-activations.ts";
import { hasKernel, type KernelAttributes, runKernel, withGradientOfMany } from "./kernel.ts";
import { timeSteps } from "./time-steps.ts";

/** Places of a cell that may be quantized, in the order of their clips: the gate sums and states. */
export const LSTM_SITES = [...LSTM_GATES, "cell", "hidden"] as const;

/** One of {@link LSTM_SITES}. */
export type LstmSite = (typeof LSTM_SITES)[number];

/** Grids of a cell's places; all are of the kind `act`, with one clip each. */
export interface LstmGrids {
  /** Bits of each place of {@link LSTM_SITES}; 0 leaves it in float. */
  readonly bits: readonly number[];
  readonly rounding: Rounding;
  readonly compat: FakeQuantSpec["compat"];
}

/** What a layer is given; all float32. */
export interface LstmInputs {
  /** [time, batch, 4·units]: the inputs' part of the gate sums, in the order i, f, g, o. */
  readonly gates: tf.Tensor3D;
  /** [units, 4·units]: multiplies the hidden state; quantized values where the model is. */
  readonly kernel: tf.Tensor2D;
  /** [4·units]. */
  readonly bias: tf.Tensor1D;
  /** [6]: the clips of {@link LSTM_SITES}; those of places in float are not read. */
  readonly clips: tf.Tensor1D;
  /** [batch, units], quantized as the layer does; null starts at zero. Both or none. */
  readonly hidden: tf.Tensor2D | null;
  readonly cell: tf.Tensor2D | null;
}

/** States at all times; the caller disposes them. */
export interface LstmStates {
  /** [time, batch, units]. */
  readonly hidden: tf.Tensor3D;
  /** [time, batch, units]; null where they were not asked for. */
  readonly cells: tf.Tensor3D | null;
}

/**
 * For each time: s = gates + hidden·kernel + bias; i, f, g, o = its quarters;
 * cell = Q(σ(Q f)·cell + σ(Q i)·tanh(Q g)); hidden = Q(σ(Q o)·tanh cell), with a quantizer Q of its
 * own at each place (straight through, as {@link fakeQuant}). The first step without states leaves
 * out hidden·kernel.
 *
 * A kernel returns the hidden states, the cells and then whatever it wants back for the gradient.
 *
 * @param wantsCells whether the cells are results too; that their gradient is 0 is known where not
 * @returns differentiable in everything; the caller disposes it
 * @see Hochreiter & Schmidhuber 1997; Gers et al. 2000 (forget gate); gate order as PyTorch's LSTM
 */
export function lstmSequence(inputs: LstmInputs, grids: LstmGrids, wantsCells = false): LstmStates {
  if (!hasKernel("QatLstmSequence")) return composition(inputs, grids, wantsCells);
  const { gates, kernel, bias, clips, hidden, cell } = inputs;
  const start: Record<string, tf.Tensor> = hidden === null ? {} : { hidden, cell: cell! };
  const given = { gates, kernel, bias, clips, ...start };
  const attributes = lstmAttributes(grids);
  const results = withGradientOfMany(
    given,
    (save) => {
      const outputs = runKernel("QatLstmSequence", given, attributes, () => []);
      save([kernel, clips, ...Object.values(start), ...outputs]);
      return outputs.slice(0, wantsCells ? 2 : 1);
    },
    (dys, [savedKernel, savedClips, ...saved]) => {
      const before = Object.keys(start).map((name, i) => [name, saved[i]!] as const);
      const kept = saved.slice(before.length);
      const inputs = {
        ...{ dhidden: dys[0]!, kernel: savedKernel!, clips: savedClips! },
        ...(dys[1] === undefined ? {} : { dcells: dys[1] }),
        ...Object.fromEntries(before),
        ...Object.fromEntries(kept.map((tensor, i) => [`kept${i}`, tensor])),
      };
      const gradients = runKernel("QatLstmSequenceGrad", inputs, attributes, () => []);
      return Object.fromEntries(Object.keys(given).map((name, i) => [name, gradients[i]!]));
    },
  );
  return { hidden: results[0] as tf.Tensor3D, cells: (results[1] ?? null) as tf.Tensor3D | null };
}

/** The same in operations whose gradients TensorFlow.js knows. */
function composition(inputs: LstmInputs, grids: LstmGrids, wantsCells: boolean): LstmStates {
  const { gates, kernel, bias, clips } = inputs;
  let { hidden, cell } = inputs;
  const states = timeSteps(gates).map((part) => {
    const recurrent = hidden === null ? bias : tf.add(tf.matMul(hidden, kernel), bias);
    const sums = tf.add<tf.Tensor2D>(part, recurrent);
    ({ hidden, cell } = lstmStep(sums, cell, clips, grids));
    return { hidden, cell };
  });
  return {
    hidden: tf.stack(states.map((state) => state.hidden)) as tf.Tensor3D,
    cells: wantsCells ? (tf.stack(states.map((state) => state.cell)) as tf.Tensor3D) : null,
  };
}

/**
 * One step of {@link lstmSequence} from its gate sums, differentiable.
 * @param cell null for zeros
 */
export function lstmStep(
  sums: tf.Tensor2D,
  cell: tf.Tensor2D | null,
  clips: tf.Tensor1D,
  grids: LstmGrids,
): { hidden: tf.Tensor2D; cell: tf.Tensor2D } {
  const quantized = (x: tf.Tensor2D, site: LstmSite): tf.Tensor2D => {
    if (grids.bits[LSTM_SITES.indexOf(site)] === 0) return x;
    const { clip, spec } = lstmSiteSpec(clips, site, grids);
    return fakeQuant(x, clip, spec) as tf.Tensor2D;
  };
  const [i, f, g, o] = tf.split(sums, 4, 1) as [tf.Tensor2D, tf.Tensor2D, tf.Tensor2D, tf.Tensor2D];
  const added = tf.mul(sigmoid(quantized(i, "i")), tanh(quantized(g, "g")));
  const raw = cell === null ? added : tf.add(tf.mul(sigmoid(quantized(f, "f")), cell), added);
  const next = quantized(raw as tf.Tensor2D, "cell");
  const output = tf.mul<tf.Tensor2D>(sigmoid(quantized(o, "o")), tanh(next));
  return { hidden: quantized(output, "hidden"), cell: next };
}

/** The clip and the grid of one place. */
export function lstmSiteSpec(
  clips: tf.Tensor1D,
  site: LstmSite,
  { bits, rounding, compat }: LstmGrids,
): { clip: tf.Tensor; spec: FakeQuantSpec } {
  const place = LSTM_SITES.indexOf(site);
  const clip = tf.reshape(tf.slice(clips, place, 1), []);
  return { clip, spec: { kind: "act", bits: bits[place]!, axis: null, rounding, compat } };
}

/** Attributes of the kernels: `bits` of all places, separated by commas. */
export function lstmAttributes({ bits, rounding, compat }: LstmGrids): KernelAttributes {
  return { bits: bits.join(), rounding, compat };
}
