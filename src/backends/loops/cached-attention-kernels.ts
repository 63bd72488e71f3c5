/** Attention to kept keys and values: `core/cached-attention.ts` over a backend's memory. */
import { gridOf, type Grid } from "../../core/affine.ts";
import { attendToCells, type CachedCell } from "../../core/cached-attention.ts";
import type { Rounding } from "../../core/qtype.ts";
import type { KernelCall, LoopKernel } from "../loop-kernel.ts";
import { codeError } from "./code-error.ts";

/**
 * queries [rows, …], cell0 … and ancestors [rows, steps] or cell0, sentences [rows] and lengths,
 * queryScale? and cellScale? → [rows, units].
 */
export const cachedAttentionKernel: LoopKernel = {
  name: "QatCachedAttention",
  outputShapes: ({ queries }, { units }) => [[queries![0]!, units as number]],
  run(call) {
    const { heads, units } = call.attributes as { heads: number; units: number };
    const [rows, width] = call.shape("queries") as [number, number];
    const queries = call.floats("queries");
    const scales = call.has("queryScale")
      ? { queries: call.floats("queryScale")[0]!, cells: call.floats("cellScale")[0]! }
      : null;
    const spec = { heads, depth: units / heads, softmax: softmaxGrid(call), scales };
    const cellsOf = call.has("ancestors") ? pastCells(call) : memoryCells(call);
    for (let row = 0; row < rows; row++) {
      const query = queries.subarray(row * width, row * width + units);
      const out = call.out[0]!.subarray(row * units, (row + 1) * units);
      attendToCells(query, cellsOf(row), spec, out);
    }
  },
};

/** The grid of a call's probabilities, or null where they stay float. */
export function softmaxGrid({ attributes }: Pick<KernelCall, "attributes">): Grid | null {
  const { softmaxBits, rounding } = attributes as { softmaxBits: number; rounding: Rounding };
  return softmaxBits === 0 ? null : gridOf("softmax", softmaxBits, 1, rounding);
}

/** Elements from one cell to the next, and from its begin to its first key; bytes where narrow. */
export function cellLayout({ attributes, shape }: Pick<KernelCall, "attributes" | "shape">): {
  stride: number;
  column: number;
} {
  const width = shape("cell0").at(-1)!;
  if (attributes["narrow"] === true) return { stride: 4 * width, column: 0 };
  return { stride: width, column: attributes["column"] as number };
}

type CellsOf = (row: number) => CachedCell[];

function pastCells(call: KernelCall): CellsOf {
  const { stride, column } = cellLayout(call);
  const steps = call.shape("ancestors")[1]!;
  const ancestors = call.ints("ancestors");
  const data = Array.from({ length: steps }, (_, time) => cellData(call, time));
  return (row) =>
    data.map((of, time) => ({
      data: of,
      start: ancestors[row * steps + time]! * stride + column,
    }));
}

function memoryCells(call: KernelCall): CellsOf {
  const { stride, column } = cellLayout(call);
  const positions = call.shape("cell0")[1]!;
  const [sentences, lengths] = [call.ints("sentences"), call.ints("lengths")];
  const data = cellData(call, 0);
  return (row) => {
    const sentence = sentences[row]!;
    const length = Math.max(0, Math.min(positions, lengths[sentence]!));
    return Array.from({ length }, (_, time) => ({
      data,
      start: (sentence * positions + time) * stride + column,
    }));
  };
}

function cellData(call: KernelCall, time: number): CachedCell["data"] {
  const name = `cell${time}`;
  if (call.attributes["narrow"] !== true) return call.floats(name);
  const { buffer, byteOffset, byteLength } = call.ints(name);
  return new Int8Array(buffer, byteOffset, byteLength);
}

/** x [rows, columns] → the codes of its last `count` columns, four in one int32. */
export const narrowCodesKernel: LoopKernel = {
  name: "QatNarrowCodes",
  outputTypes: ["int32"],
  outputShapes: ({ x }, { count }) => [[x![0]!, Math.ceil((count as number) / 4)]],
  run(call) {
    const x = call.floats("x");
    const [rows, columns] = call.shape("x") as [number, number];
    const count = call.attributes["count"] as number;
    const { buffer, byteOffset, byteLength } = call.intOut;
    const bytes = new Int8Array(buffer, byteOffset, byteLength);
    const stride = 4 * Math.ceil(count / 4);
    for (let row = 0; row < rows; row++) {
      const codes = x.subarray((row + 1) * columns - count, (row + 1) * columns);
      if (codes.some(Number.isNaN)) throw codeError("attention", "keys and values");
      bytes.set(codes, row * stride);
      bytes.fill(0, row * stride + count, (row + 1) * stride);
    }
  },
};
