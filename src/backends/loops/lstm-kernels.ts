/** LSTMs as kernels: `core/lstm.ts` and its gradient over a backend's memory. */
import { lstmGradient } from "../../core/lstm-gradient.ts";
import {
  affineLstmGrids,
  type LstmGridList,
  lstmGrids,
  lstmSequence,
  type LstmSize,
  lstmStep,
} from "../../core/lstm.ts";
import type { Rounding } from "../../core/qtype.ts";
import { KernelError } from "../../errors.ts";
import type { InputShapes, KernelCall, LoopKernel } from "../loop-kernel.ts";

/** What of a call describes grids and sizes. */
type LstmCall = Pick<KernelCall, "floats" | "shape" | "attributes">;

/** The grids that a call's clips and attributes describe. */
export function lstmGridsOf(call: LstmCall): LstmGridList {
  const bits = (call.attributes.bits as string).split(",").map(Number);
  return lstmGrids(call.floats("clips"), bits, call.attributes.rounding as Rounding);
}

/** The grids that a call's scales, zero points and attributes describe. */
export function affineLstmGridsOf(call: LstmCall): LstmGridList {
  const { qmins, qmaxs } = call.attributes as Record<"qmins" | "qmaxs", string>;
  const most = qmaxs.split(",");
  const stored = qmins
    .split(",")
    .map((qmin, place) => (qmin === "" ? null : { qmin: Number(qmin), qmax: Number(most[place]) }));
  return affineLstmGrids(call.floats("scales"), call.floats("zeroPoints"), stored);
}

/**
 * Sizes of a sequence by its input `name`, [time, batch, width].
 * @param width of that input, in units
 * @throws {KernelError} if it does not fit to the kernel
 */
export function lstmSizeOf(call: LstmCall, name: string, width: 1 | 4): LstmSize {
  const [time, batch, elements] = call.shape(name) as [number, number, number];
  const [units, outputs] = call.shape("kernel") as [number, number];
  if (elements === width * units && outputs === 4 * units) return { time, batch, units };
  throw new KernelError(
    `LSTM: expected a kernel [units, 4·units] and ${name} [time, batch, ${width}·units], received ` +
      `[${units}, ${outputs}] and [${time}, ${batch}, ${elements}]. Make both of the same units.`,
  );
}

/** sums [batch, 4·units], clips [6], cell? → hidden (codes where it has a grid), cell. */
export const lstmCellKernel: LoopKernel = {
  name: "QatLstmCell",
  outputShapes: cellShapes,
  run(call) {
    runCell(call, lstmGridsOf(call));
  },
};

/** sums [batch, 4·units], scales [6], zeroPoints [6], cell? → hidden (codes likewise), cell. */
export const affineLstmCellKernel: LoopKernel = {
  name: "QatAffineLstmCell",
  outputShapes: cellShapes,
  run(call) {
    runCell(call, affineLstmGridsOf(call));
  },
};

function cellShapes({ sums }: InputShapes): number[][] {
  const state = [sums![0]!, sums![1]! / 4];
  return [state, state];
}

function runCell(call: KernelCall, grids: LstmGridList): void {
  const [hidden, cell] = call.out as [Float32Array, Float32Array];
  const given = {
    sums: call.floats("sums"),
    cell: call.has("cell") ? call.floats("cell") : null,
  };
  const units = call.shape("sums")[1]! / 4;
  lstmStep({ ...given, units }, grids, { hidden, cell }, "codes");
}

/**
 * gates [time, batch, 4·units], kernel, bias, clips, hidden?, cell? → hidden and cells [time, batch,
 * units], then the gate sums [time, batch, 4·units], which the gradient wants back.
 */
export const lstmSequenceKernel: LoopKernel = {
  name: "QatLstmSequence",
  outputShapes: ({ gates, kernel }) => {
    const states = [gates![0]!, gates![1]!, kernel![0]!];
    return [states, states, gates!];
  },
  run(call) {
    const [hidden, cells, sums] = call.out as [Float32Array, Float32Array, Float32Array];
    const optional = (name: string) => (call.has(name) ? call.floats(name) : null);
    const given = { hidden: optional("hidden"), cell: optional("cell") };
    const [gates, kernel, bias] = [
      call.floats("gates"),
      call.floats("kernel"),
      call.floats("bias"),
    ];
    const size = lstmSizeOf(call, "gates", 4);
    const inputs = { gates, kernel, bias, ...given };
    lstmSequence(inputs, size, lstmGridsOf(call), { hidden, cells, sums });
  },
};

/**
 * dhidden, kernel, clips, dcells?, hidden?, cell?, and the sequence's results as kept0, kept1, kept2 →
 * gradients of gates, kernel, bias, clips, and of hidden and cell where they are given.
 */
export const lstmSequenceGradKernel: LoopKernel = {
  name: "QatLstmSequenceGrad",
  outputShapes: ({ kernel, clips, hidden, cell, kept2 }) => {
    const start = hidden === undefined ? [] : [hidden, cell!];
    return [kept2!, kernel!, [kernel![1]!], clips!, ...start];
  },
  run(call) {
    const optional = (name: string) => (call.has(name) ? call.floats(name) : null);
    const [dhidden, kernel] = [call.floats("dhidden"), call.floats("kernel")];
    const [hidden, cells, sums] = ["kept0", "kept1", "kept2"].map((name) => call.floats(name)) as [
      ...[Float32Array, Float32Array, Float32Array],
    ];
    const first = { firstHidden: optional("hidden"), firstCell: optional("cell") };
    const inputs = { dhidden, dcells: optional("dcells"), kernel, hidden, cells, sums, ...first };
    const compat = call.attributes.compat as "none" | "neurst";
    const [dgates, dkernel, dbias, dclips, ...start] = call.out as [
      ...[Float32Array, Float32Array, Float32Array, Float32Array],
      ...Float32Array[],
    ];
    lstmGradient(
      inputs,
      lstmSizeOf(call, "dhidden", 1),
      { grids: lstmGridsOf(call), compat },
      { dgates, dkernel, dbias, dclips, dhidden: start[0] ?? null, dcell: start[1] ?? null },
    );
  },
};
