/** Attention heads from columns of rows to matrices of their own, and back. */
import type { NativeKernel } from "../native-kernel.ts";
import type { Value } from "../op-run.ts";

/** x [batch, time, parts·heads·depth] → `parts` tensors [batch, heads, time, depth]. */
export const splitHeadsKernel: NativeKernel = {
  name: "QatSplitHeads",
  run(call) {
    const { ops } = call;
    const x = call.input("x");
    const { parts, heads } = call.attributes as { parts: number; heads: number };
    const [batch, time, width] = x.shape as [number, number, number];
    const depth = width / (parts * heads);
    if (parts === 1) {
      return [ops.transpose(ops.reshape(x, [batch, time, heads, depth]), [0, 2, 1, 3])];
    }
    const columns = ops.reshape(x, [batch, time, parts, heads, depth]);
    return ops.unstack(ops.transpose(columns, [2, 0, 3, 1, 4]), 0);
  },
};

/** part0, part1 … [batch, heads, time, depth] → [batch, time, parts·heads·depth]. */
export const joinHeadsKernel: NativeKernel = {
  name: "QatJoinHeads",
  run(call) {
    const { ops } = call;
    const parts: Value[] = [];
    for (let i = 0; ; i++) {
      const part = call.optional(`part${i}`);
      if (part === null) break;
      parts.push(part);
    }
    const [batch, heads, time, depth] = parts[0]!.shape as [number, number, number, number];
    const shape = [batch, time, parts.length * heads * depth];
    if (parts.length === 1) return [ops.reshape(ops.transpose(parts[0]!, [0, 2, 1, 3]), shape)];
    return [ops.reshape(ops.transpose(ops.stack(parts, 0), [1, 3, 0, 2, 4]), shape)];
  },
};
