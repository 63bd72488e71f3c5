/** Rows of a table by number, and the sum of rows that have the same number. */
import { DataError } from "../../../errors.ts";
import { idError } from "../../loops/embedding-kernels.ts";
import { typeAttribute, TYPES } from "../binding.ts";
import type { NativeKernel } from "../native-kernel.ts";

/**
 * table [rows, width], ids [...] → [..., width]. Numbers outside of the table are an error on a
 * CPU, where TensorFlow checks them while it copies.
 */
export const embeddingLookupKernel: NativeKernel = {
  name: "QatEmbeddingLookup",
  run: (call) =>
    naming("embeddingLookup", () => [call.ops.gather(call.input("table"), call.input("ids"), 0)]),
};

/** x [n, ...rest], segmentIds [n] → [numSegments, ...rest]. */
export const segmentSumKernel: NativeKernel = {
  name: "QatSegmentSum",
  run(call) {
    const { ops } = call;
    const count = ops.scalar(call.attributes.numSegments as number, TYPES.int32);
    const attributes = [
      typeAttribute("T", TYPES.float32),
      typeAttribute("Tindices", TYPES.int32),
      typeAttribute("Tnumsegments", TYPES.int32),
    ];
    const inputs = [call.input("x"), call.input("segmentIds"), count];
    return naming("segmentSum", () => [ops.op("UnsortedSegmentSum", attributes, inputs)]);
  },
};

/** Runs `use`; TensorFlow's complaint about a number outside of a table becomes ours. */
function naming<T>(where: string, use: () => T): T {
  try {
    return use();
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    const found = / = (-?\d+) is (?:not in|out of range) \[0, (\d+)\)/.exec(message);
    if (found === null) throw cause;
    const { message: text } = idError(where, Number(found[1]), Number(found[2]));
    throw new DataError(text, { cause });
  }
}
