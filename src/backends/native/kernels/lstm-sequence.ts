/**
 * An LSTM over time, unrolled: one product and a few operations on elements a step. TensorFlow's own
 * BlockLSTMV2 has no place for quantizers, wants the product with the inputs inside, and was measured to
 * take no less time with its gradient.
 */
import { LSTM_PLACE } from "../../../core/lstm.ts";
import type { NativeCall, NativeKernel } from "../native-kernel.ts";
import type { Value } from "../op-run.ts";
import { integerCodes } from "./fake-quant.ts";
import { gatesQuantizer, quantizedAt, roundsGates, siteGrid, type SiteGrid } from "./lstm-grids.ts";

/**
 * What each step keeps for the gradient, [batch, units]: the gates after their activations, the cell
 * and its hyperbolic tangent.
 */
export const KEPT_OF_STEP = ["i", "f", "g", "o", "cell", "tangent"] as const;

/** By name. */
export type LstmStepValues = Readonly<Record<(typeof KEPT_OF_STEP)[number], Value>>;

/** A step with what is rounded after it. */
interface StepResult extends LstmStepValues {
  readonly rawCell: Value;
  readonly rawHidden: Value;
}

/**
 * gates [time, batch, 4·units], kernel, bias, clips, hidden?, cell? → hidden, cells, then
 * {@link KEPT_OF_STEP} of each time, then of each time what was rounded, before it was: the gate sums
 * [batch, 4·units] if any gate, the cell, the hidden state.
 */
export const lstmSequenceKernel: NativeKernel = {
  name: "QatLstmSequence",
  run(call) {
    const { ops } = call;
    const [kernel, bias] = [call.input("kernel"), call.input("bias")];
    const cellSite = siteGrid(call, LSTM_PLACE.cell);
    const hiddenSite = siteGrid(call, LSTM_PLACE.hidden);
    const stepOf = stepper(call, cellSite, kernel.shape[0]!);
    let [hidden, cell] = [call.optional("hidden"), call.optional("cell")];
    const all: { step: StepResult; sums: Value; hidden: Value }[] = [];
    for (const part of ops.unstack(call.input("gates"), 0)) {
      // Not biasAdd: TensorFlow would fuse it with the product. Measured: a product of so few rows then
      // takes twice the time.
      const recurrent =
        hidden === null ? bias : ops.add(ops.product(hidden, kernel, false, false), bias);
      const sums = ops.add(part, recurrent);
      const step = stepOf(sums, cell);
      ({ cell } = step);
      hidden = quantizedAt(ops, step.rawHidden, hiddenSite);
      all.push({ step, sums, hidden });
    }
    return [
      ops.stack(
        all.map((entry) => entry.hidden),
        0,
      ),
      ops.stack(
        all.map(({ step }) => step.cell),
        0,
      ),
      ...all.flatMap(({ step }) => KEPT_OF_STEP.map((name) => step[name])),
      ...(roundsGates(call) ? all.map(({ sums }) => sums) : []),
      ...(cellSite === null ? [] : all.map(({ step }) => step.rawCell)),
      ...(hiddenSite === null ? [] : all.map(({ step }) => step.rawHidden)),
    ];
  },
};

/** sums [batch, 4·units], clips, cell? → hidden (codes where it is rounded), cell. */
export const lstmCellKernel: NativeKernel = {
  name: "QatLstmCell",
  run(call) {
    const { ops } = call;
    const sums = call.input("sums");
    const stepOf = stepper(call, siteGrid(call, LSTM_PLACE.cell), sums.shape[1]! / 4);
    const { rawHidden, cell } = stepOf(sums, call.optional("cell"));
    const site = siteGrid(call, LSTM_PLACE.hidden);
    return [site === null ? rawHidden : integerCodes(ops, rawHidden, site.grid), cell];
  },
};

/** @returns a step from its gate sums and the cell before it; null: zeros */
function stepper(
  call: NativeCall,
  cellSite: SiteGrid | null,
  units: number,
): (sums: Value, before: Value | null) => StepResult {
  const { ops } = call;
  const quarters = gatesQuantizer(call, units);
  return (sums, before) => {
    const [sumI, sumF, sumG, sumO] = quarters(sums) as [Value, Value, Value, Value];
    const [i, f, o] = [ops.sigmoid(sumI), ops.sigmoid(sumF), ops.sigmoid(sumO)];
    const g = ops.tanh(sumG);
    const added = ops.mul(i, g);
    const rawCell = before === null ? added : ops.add(ops.mul(f, before), added);
    const cell = quantizedAt(ops, rawCell, cellSite);
    const tangent = ops.tanh(cell);
    return { i, f, g, o, cell, tangent, rawCell, rawHidden: ops.mul(o, tangent) };
  };
}
