/** Softmax kernels: the forward passes of `core/softmax.ts`, and their gradients. */
import { logSoftmax, maskedSoftmax } from "../../core/softmax.ts";
import type { LoopKernel } from "../loop-kernel.ts";

/** scores [batch, heads, queries, keys], keyLengths? [batch] → probabilities. */
export const attentionSoftmaxKernel: LoopKernel = {
  name: "QatAttentionSoftmax",
  outputShapes: ({ scores }) => [scores!],
  run(call) {
    const [batch, heads, queries, keys] = call.shape("scores") as [number, number, number, number];
    const lengths = call.has("keyLengths") ? call.int("keyLengths") : null;
    const ahead = call.attributes.causal === true ? keys - queries + 1 : keys;
    const visible = (row: number): number => {
      const length = lengths === null ? keys : lengths[Math.floor(row / (heads * queries))]!;
      return Math.max(0, Math.min(length, keys, (row % queries) + ahead));
    };
    const rows = batch * heads * queries;
    maskedSoftmax(call.float("scores"), call.out[0]!, rows, keys, visible);
  },
};

/** dp, p [..., keys] → ds = p·(dp − Σ dp·p); the sum in float64. */
export const attentionSoftmaxGradKernel: LoopKernel = {
  name: "QatAttentionSoftmaxGrad",
  outputShapes: ({ p }) => [p!],
  run(call) {
    const p = call.float("p");
    const dp = call.float("dp");
    const ds = call.out[0]!;
    const keys = call.shape("p").at(-1)!;
    for (let start = 0; start < p.length; start += keys) {
      let dot = 0;
      for (let i = start; i < start + keys; i++) dot += p[i]! * dp[i]!;
      for (let i = start; i < start + keys; i++) ds[i] = p[i]! * (dp[i]! - dot);
    }
  },
};

/** logits [rows, classes] → log-probabilities. */
export const logSoftmaxKernel: LoopKernel = {
  name: "QatLogSoftmax",
  outputShapes: ({ logits }) => [logits!],
  run(call) {
    const [rows, classes] = call.shape("logits") as [number, number];
    logSoftmax(call.float("logits"), call.out[0]!, rows, classes);
  },
};
