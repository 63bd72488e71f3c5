/** Attention heads from columns of rows to matrices of their own, and back. */
import type { LoopKernel } from "../loop-kernel.ts";

/** x [batch, time, parts·heads·depth] → `parts` tensors [batch, heads, time, depth]. */
export const splitHeadsKernel: LoopKernel = {
  name: "QatSplitHeads",
  outputShapes: ({ x }, { parts, heads }) => {
    const [batch, time, width] = x as [number, number, number];
    const [count, rows] = [parts as number, heads as number];
    return Array.from({ length: count }, () => [batch, rows, time, width / (count * rows)]);
  },
  run(call) {
    const x = call.floats("x");
    const [batch, time, width] = call.shape("x") as [number, number, number];
    const heads = call.attributes.heads as number;
    const depth = width / (call.out.length * heads);
    call.out.forEach((out, part) => {
      eachHead({ batch, time, heads, depth }, (row, head, to) => {
        const from = row * width + (part * heads + head) * depth;
        out.set(x.subarray(from, from + depth), to);
      });
    });
  },
};

/** part0, part1 … [batch, heads, time, depth] → [batch, time, parts·heads·depth]. */
export const joinHeadsKernel: LoopKernel = {
  name: "QatJoinHeads",
  outputShapes: (shapes) => {
    const [batch, heads, time, depth] = shapes.part0 as [number, number, number, number];
    return [[batch, time, Object.keys(shapes).length * heads * depth]];
  },
  run(call) {
    const [batch, heads, time, depth] = call.shape("part0") as [number, number, number, number];
    const out = call.out[0]!;
    const width = out.length / (batch * time);
    for (let part = 0; call.has(`part${part}`); part++) {
      const x = call.floats(`part${part}`);
      eachHead({ batch, time, heads, depth }, (row, head, from) => {
        out.set(x.subarray(from, from + depth), row * width + (part * heads + head) * depth);
      });
    }
  },
};

interface HeadSizes {
  readonly batch: number;
  readonly time: number;
  readonly heads: number;
  readonly depth: number;
}

/** Visits each row's heads; `at` is where the head's vector lies in [batch, heads, time, depth]. */
function eachHead(
  { batch, time, heads, depth }: HeadSizes,
  visit: (row: number, head: number, at: number) => void,
): void {
  for (let b = 0; b < batch; b++) {
    for (let t = 0; t < time; t++) {
      for (let h = 0; h < heads; h++) visit(b * time + t, h, ((b * heads + h) * time + t) * depth);
    }
  }
}
