/** Softmax kernels: `core/softmax.ts` over a backend's memory. */
import { logSoftmax, maskedSoftmax, softmaxGradient } from "../../core/softmax.ts";
import type { LoopKernel } from "../loop-kernel.ts";

/** scores [batch, heads, queries, keys], keyLengths? [batch] → probabilities. */
export const attentionSoftmaxKernel: LoopKernel = {
  name: "QatAttentionSoftmax",
  outputShapes: ({ scores }) => [scores!],
  run(call) {
    const [batch, heads, queries, keys] = call.shape("scores") as [number, number, number, number];
    const lengths = call.has("keyLengths") ? call.ints("keyLengths") : null;
    const ahead = call.attributes.causal === true ? keys - queries + 1 : keys;
    const visible = (row: number): number => {
      const length = lengths === null ? keys : lengths[Math.floor(row / (heads * queries))]!;
      return Math.max(0, Math.min(length, keys, (row % queries) + ahead));
    };
    const rows = batch * heads * queries;
    maskedSoftmax(call.floats("scores"), call.out[0]!, rows, keys, visible);
  },
};

/** dp, p [..., keys] → ds = p·(dp − Σ dp·p). */
export const attentionSoftmaxGradKernel: LoopKernel = {
  name: "QatAttentionSoftmaxGrad",
  outputShapes: ({ p }) => [p!],
  run(call) {
    const keys = call.shape("p").at(-1)!;
    softmaxGradient(call.floats("dp"), call.floats("p"), call.out[0]!, keys);
  },
};

/** logits [rows, classes] → log-probabilities. */
export const logSoftmaxKernel: LoopKernel = {
  name: "QatLogSoftmax",
  outputShapes: ({ logits }) => [logits!],
  run(call) {
    const [rows, classes] = call.shape("logits") as [number, number];
    logSoftmax(call.floats("logits"), call.out[0]!, rows, classes);
  },
};
