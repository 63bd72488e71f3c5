/** Ranges that the next activation makes superfluous: it tells nothing apart beyond them. */
import type { ValueRange } from "../core/range-grid.ts";
import type { Activation } from "../layers/activation.ts";
import { EltwiseAdd, QuantActivation } from "../layers/elementwise.ts";
import type { QuantLayer } from "../layers/quant-layer.ts";

/** A range that is wide enough, and why. */
export interface RangeLimit {
  readonly range: ValueRange;
  readonly reason: string;
}

/** Where an activation has flattened out: its slope is below 0.25 % and 0.13 %, and 0. */
const FLAT: Partial<Record<Activation, number>> = { sigmoid: 6, tanh: 4, hardSigmoid: 2.5 };

/**
 * The limit of a quantizer's range: ±6 for what a sigmoid reads, ±4 for a tanh. Each gate of a cell has
 * a quantizer of its own, so that each is limited by its own activation. Under Distiller's placement
 * one quantizer serves all gates of an LSTM, and gets ±6, as nothing else does there.
 * @param name of the quantizer in its layer
 * @returns null where the range matters whole
 * @see IntelLabs/distiller d859fc85, quantization/range_linear.py, _optimize_lstm
 */
export function rangeLimit(layer: QuantLayer, name: string): RangeLimit | null {
  if (layer.policy.roundsEach) {
    const isGates = layer instanceof EltwiseAdd && layer.name.endsWith("/eltwiseadd_gate");
    if (!isGates || name !== "output") return null;
    return { range: { lo: -6, hi: 6 }, reason: "sigmoids and a tanh read it" };
  }
  if (!(layer instanceof QuantActivation) || name !== "input") return null;
  const end = FLAT[layer.activation];
  if (end === undefined) return null;
  return { range: { lo: -end, hi: end }, reason: `${layer.activation} reads it` };
}
