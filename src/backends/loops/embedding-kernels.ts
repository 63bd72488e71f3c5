/** Rows of a table by number, and the sum of rows that have the same number. */
import { DataError } from "../../errors.ts";
import type { LoopKernel } from "../loop-kernel.ts";

/** table [rows, width], ids [...] → [..., width]. */
export const embeddingLookupKernel: LoopKernel = {
  name: "QatEmbeddingLookup",
  outputShapes: ({ table, ids }) => [[...ids!, table![1]!]],
  run(call) {
    const table = call.floats("table");
    const ids = call.ints("ids");
    const out = call.out[0]!;
    const [rows, width] = call.shape("table") as [number, number];
    checkIds("embeddingLookup", ids, rows);
    for (let i = 0; i < ids.length; i++) {
      const from = ids[i]! * width;
      out.set(table.subarray(from, from + width), i * width);
    }
  },
};

/** x [n, ...rest], segmentIds [n] → [numSegments, ...rest]; rows are added in the order of i. */
export const segmentSumKernel: LoopKernel = {
  name: "QatSegmentSum",
  outputShapes: ({ x }, attributes) => [[attributes.numSegments as number, ...x!.slice(1)]],
  run(call) {
    const x = call.floats("x");
    const ids = call.ints("segmentIds");
    const out = call.out[0]!.fill(0);
    const width = ids.length === 0 ? 0 : x.length / ids.length;
    checkIds("segmentSum", ids, call.attributes.numSegments as number);
    for (let i = 0; i < ids.length; i++) {
      const from = i * width;
      const to = ids[i]! * width;
      for (let j = 0; j < width; j++) out[to + j] = out[to + j]! + x[from + j]!;
    }
  },
};

/** TensorFlow.js' own name for the segment sum, which its wasm backend lacks. */
export const unsortedSegmentSumKernel: LoopKernel = {
  ...segmentSumKernel,
  name: "UnsortedSegmentSum",
};

function checkIds(where: string, ids: Int32Array, count: number): void {
  for (const id of ids) if (id < 0 || id >= count) throw idError(where, id, count);
}

/** What a number outside of a table means. */
export function idError(where: string, id: number, count: number): DataError {
  return new DataError(
    `${where}: expected numbers from 0 to ${count - 1}, received ${id}. ` +
      `Check that the vocabulary is the one the model was made with.`,
  );
}
