/** Grids of an LSTM's places, made once for a whole sequence. */
import { LSTM_GATES } from "../../../core/lstm.ts";
import { qtypeOf, type Rounding } from "../../../core/qtype.ts";
import type { NativeCall } from "../native-kernel.ts";
import type { Ops } from "../ops.ts";
import type { Value } from "../op-run.ts";
import { fakeQuantized, gridOfClip, type Grid } from "./fake-quant.ts";

/** Number of gates, whose sums lie side by side. */
export const GATES = LSTM_GATES.length;

/** The grid of one place. */
export interface SiteGrid {
  readonly grid: Grid;
  readonly bits: number;
}

/** Of the places i, f, g, o, cell, hidden, one clip each; null in float. */
export function siteGrids(call: NativeCall): (SiteGrid | null)[] {
  return lstmBits(call).map((_, place) => siteGrid(call, place));
}

/** Of one place, by LSTM_PLACE of core/lstm.ts; null in float. */
export function siteGrid(call: NativeCall, place: number): SiteGrid | null {
  const { ops } = call;
  const bits = lstmBits(call)[place]!;
  if (bits === 0) return null;
  const clip = ops.reshape(ops.slice(call.input("clips"), [place], [1]), []);
  return { grid: gridOfClip(ops, clip, rangeOf(call, bits)), bits };
}

/** Whether the sums of any gate are rounded. */
export function roundsGates(call: NativeCall): boolean {
  return lstmBits(call)
    .slice(0, GATES)
    .some((bits) => bits !== 0);
}

/**
 * Rounds the gate sums [batch, 4·units] and cuts them into i, f, g, o: all at once where their grids
 * have the same number of bits, which takes a quarter of the operations.
 */
export function gatesQuantizer(call: NativeCall, units: number): (sums: Value) => Value[] {
  const { ops } = call;
  const bits = lstmBits(call).slice(0, GATES);
  if (bits[0] === 0 || bits.some((b) => b !== bits[0])) {
    const sites = bits.map((_, place) => siteGrid(call, place));
    return (sums) => ops.split(sums, GATES, 1).map((part, i) => quantizedAt(ops, part, sites[i]!));
  }
  const clips = ops.reshape(ops.slice(call.input("clips"), [0], [GATES]), [GATES, 1]);
  const columns = ops.reshape(ops.broadcast(clips, [GATES, units]), [GATES * units]);
  const grid = gridOfClip(ops, columns, rangeOf(call, bits[0]!));
  return (sums) => ops.split(fakeQuantized(ops, sums, grid), GATES, 1);
}

/** x on a grid; x itself where there is none. */
export function quantizedAt(ops: Ops, x: Value, site: SiteGrid | null): Value {
  return site === null ? x : fakeQuantized(ops, x, site.grid);
}

function lstmBits({ attributes }: NativeCall): number[] {
  return (attributes.bits as string).split(",").map(Number);
}

function rangeOf(
  { attributes }: NativeCall,
  bits: number,
): Pick<Grid, "qmin" | "qmax" | "rounding"> {
  const { qmin, qmax } = qtypeOf("act", bits);
  return { qmin, qmax, rounding: attributes.rounding as Rounding };
}
