/** What follows the products of one step of an LSTM, in one operation. For evaluation. */
import type * as tf from "@tensorflow/tfjs";
import { fakeQuantCodes } from "./fake-quant.ts";
import { runKernel } from "./kernel.ts";
import { lstmAttributes, type LstmGrids, lstmSiteSpec, lstmStep } from "./lstm-sequence.ts";

/** What a step is given; all float32. */
export interface LstmCellInputs {
  /** [batch, 4·units]: the gate sums i, f, g, o, not yet quantized. */
  readonly sums: tf.Tensor2D;
  /** [batch, units], on its grid; null: zeros. */
  readonly cell: tf.Tensor2D | null;
  /** [6]: see `lstmSequence`. */
  readonly clips: tf.Tensor1D;
}

/**
 * The states after one step of `lstmSequence`. Not differentiable.
 *
 * @returns `hidden` as integer codes where it is quantized (what the next product takes), else its
 *   values; `cell` as values; float32 [batch, units], the caller disposes them
 */
export function lstmCell(
  inputs: LstmCellInputs,
  grids: LstmGrids,
): { hidden: tf.Tensor2D; cell: tf.Tensor2D } {
  const { sums, cell, clips } = inputs;
  const given = { sums, clips, ...(cell === null ? {} : { cell }) };
  const [hidden, next] = runKernel("QatLstmCell", given, lstmAttributes(grids), () => {
    const hiddenBits = grids.bits.at(-1)!;
    const float = { ...grids, bits: [...grids.bits.slice(0, -1), 0] };
    const states = lstmStep(sums, cell, clips, float);
    if (hiddenBits === 0) return [states.hidden, states.cell];
    const { clip, spec } = lstmSiteSpec(clips, "hidden", grids);
    return [fakeQuantCodes(states.hidden, clip, spec), states.cell];
  }) as [tf.Tensor2D, tf.Tensor2D];
  return { hidden, cell: next };
}
