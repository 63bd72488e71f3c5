/** Compiled attention to kept keys and values. */
import { codeError } from "../../loops/code-error.ts";
import { cellLayout, softmaxGrid } from "../../loops/cached-attention-kernels.ts";
import type { SimdCall, SimdKernel } from "../simd-call.ts";

export const cachedAttention: SimdKernel = (call) => {
  const isNarrow = call.attributes["narrow"] === true;
  // Codes that are not narrow come from nowhere but tests.
  if (call.has("queryScale") !== isNarrow) return false;
  const { heads, units } = call.attributes as { heads: number; units: number };
  const [rows, width] = call.shape("queries") as [number, number];
  const isPast = call.has("ancestors");
  const keys = call.shape(isPast ? "ancestors" : "cell0")[1]!;
  const depth = units / heads;
  const { stride, column } = cellLayout(call);
  const bytes = isNarrow ? 1 : 4;
  const cells = isPast ? keys : 1;
  const addresses = call.scratch(
    call.simd.cachedAttentionScratchBytes(keys, heads, depth) + 4 * cells + 16,
  );
  const scratch = ((addresses + 4 * cells + 15) & ~15) >>> 0;
  writeAddresses(call, addresses, cells);
  const visible = isPast
    ? [call.intAddress("ancestors"), 0, 0]
    : [0, call.intAddress("sentences"), call.intAddress("lengths")];
  call.simd.cachedAttention(
    ...[call.address("queries"), 4 * width, call.out[0]!, 0, rows, heads, depth, keys],
    ...[addresses, ...visible, bytes * stride, bytes * column, isNarrow ? 1 : 0],
    ...[depth ** -0.5, ...scalesOf(call), scratch],
  );
  return true;
};

/** Writes the address of each cell tensor. */
function writeAddresses(call: SimdCall, at: number, count: number): void {
  const isNarrow = call.attributes["narrow"] === true;
  const view = call.intsAt(at, count);
  for (let i = 0; i < count; i++) {
    view[i] = isNarrow ? call.intAddress(`cell${i}`) : call.address(`cell${i}`);
  }
}

/** Scale of scores; step, largest code and rounding of the probabilities; scale of the context. */
function scalesOf(call: SimdCall): number[] {
  const f = Math.fround;
  const grid = softmaxGrid(call);
  const step = grid?.scale ?? 0;
  const isRoundedUp = grid?.rounding === "half_up" ? 1 : 0;
  const grids = [step, grid?.qmax ?? 0, isRoundedUp];
  if (!call.has("queryScale")) return [1, ...grids, 1];
  const cellScale = call.floats("cellScale")[0]!;
  const scoreScale = f(call.floats("queryScale")[0]! * cellScale);
  return [scoreScale, ...grids, step === 0 ? cellScale : f(step * cellScale)];
}

export const narrowCodes: SimdKernel = (call) => {
  const [rows, columns] = call.shape("x") as [number, number];
  const count = call.attributes["count"] as number;
  const from = call.address("x") + 4 * (columns - count);
  const outBytes = 4 * Math.ceil(count / 4);
  const wrong = call.simd.narrowCodes(from, 4 * columns, call.out[0]!, outBytes, rows, count);
  if (wrong >= 0) throw codeError("attention", "keys and values");
  return true;
};
