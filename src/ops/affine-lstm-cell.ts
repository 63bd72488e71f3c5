/** What follows the products of one step of an LSTM whose grids have zero points. For evaluation. */
import * as tf from "@tensorflow/tfjs";
import { affineQuant, affineQuantCodes, type AffineQuantSpec } from "./affine-quant.ts";
import { sigmoid, tanh } from "./gate-activations.ts";
import { type KernelAttributes, runKernel } from "./kernel.ts";
import { LSTM_SITES, type LstmSite } from "./lstm-sequence.ts";

/** What a step is given; all float32. */
export interface AffineLstmCellInputs {
  /** [batch, 4·units]: the gate sums i, f, g, o, not yet quantized. */
  readonly sums: tf.Tensor2D;
  /** [batch, units], on its grid; null: zeros. */
  readonly cell: tf.Tensor2D | null;
  /** [6]: steps of the grids of the places of `lstmSequence`; of places in float not read. */
  readonly scales: tf.Tensor1D;
  /** [6]: stored codes of zero, likewise. */
  readonly zeroPoints: tf.Tensor1D;
}

/** Smallest and largest stored codes of each place; null leaves it in float. */
export type StoredCodes = readonly ({ readonly qmin: number; readonly qmax: number } | null)[];

/**
 * The states after one step, as those of `lstmCell`, with the quantizers of `affine-quant.ts`. Not
 * differentiable.
 *
 * @returns `hidden` as centred integer codes where it is quantized, else its values; `cell` as values;
 *   float32 [batch, units], the caller disposes them
 */
export function affineLstmCell(
  inputs: AffineLstmCellInputs,
  stored: StoredCodes,
): { hidden: tf.Tensor2D; cell: tf.Tensor2D } {
  const { sums, cell, scales, zeroPoints } = inputs;
  const given = { sums, scales, zeroPoints, ...(cell === null ? {} : { cell }) };
  const [hidden, next] = runKernel("QatAffineLstmCell", given, attributesOf(stored), () =>
    composition(inputs, stored),
  ) as [tf.Tensor2D, tf.Tensor2D];
  return { hidden, cell: next };
}

function composition(inputs: AffineLstmCellInputs, stored: StoredCodes): tf.Tensor[] {
  const { cell, scales, zeroPoints } = inputs;
  const rounded = (x: tf.Tensor, site: LstmSite, round: typeof affineQuant): tf.Tensor => {
    const place = LSTM_SITES.indexOf(site);
    const codes = stored[place] ?? null;
    if (codes === null) return x;
    const at = (all: tf.Tensor1D): tf.Tensor => tf.reshape(tf.slice(all, place, 1), []);
    const spec: AffineQuantSpec = { ...codes, axis: null };
    return round(x, { scale: at(scales), zeroPoint: at(zeroPoints) }, spec);
  };
  const [i, f, g, o] = tf
    .split(inputs.sums, 4, 1)
    .map((part, at) => rounded(part, LSTM_SITES[at]!, affineQuant)) as [
    tf.Tensor,
    tf.Tensor,
    tf.Tensor,
    tf.Tensor,
  ];
  const added = tf.mul(sigmoid(i), tanh(g));
  const raw = cell === null ? added : tf.add(tf.mul(sigmoid(f), cell), added);
  const next = rounded(raw, "cell", affineQuant);
  const output = tf.mul(sigmoid(o), tanh(next));
  return [rounded(output, "hidden", affineQuantCodes), next];
}

/** Stored codes of all places, separated by commas; nothing for places in float. */
function attributesOf(stored: StoredCodes): KernelAttributes {
  const joined = (of: "qmin" | "qmax"): string => stored.map((codes) => codes?.[of]).join();
  return { qmins: joined("qmin"), qmaxs: joined("qmax") };
}
