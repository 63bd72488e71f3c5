/** Softmax over visible keys with its gradient, and log-softmax. */
import type { NativeCall, NativeKernel } from "../native-kernel.ts";
import type { Value } from "../op-run.ts";

/** scores [batch, heads, queries, keys], keyLengths? [batch] → probabilities. */
export const attentionSoftmaxKernel: NativeKernel = {
  name: "QatAttentionSoftmax",
  run(call) {
    const { ops } = call;
    const scores = call.input("scores");
    const visible = visibleKeys(call, scores.shape);
    if (visible === null) return [ops.softmax(scores)];
    const p = ops.softmax(ops.select(visible, scores, -Infinity));
    const [, , queries, keys] = scores.shape as [number, number, number, number];
    // A row that sees no key is NaN by now. Without lengths and with enough keys there is none.
    const seesAlways = call.optional("keyLengths") === null && queries <= keys;
    return [seesAlways ? p : ops.select(visible, p, 0)];
  },
};

/** Which keys each query may see, to broadcast against the scores; null: all. */
function visibleKeys(call: NativeCall, shape: readonly number[]): Value | null {
  const { ops } = call;
  const [batch, , queries, keys] = shape as [number, number, number, number];
  const lengths = call.optional("keyLengths");
  const isCausal = call.attributes.causal === true;
  if (lengths === null && !isCausal) return null;
  const counts: Value[] = [];
  if (lengths !== null) counts.push(ops.reshape(lengths, [batch, 1, 1, 1]));
  if (isCausal) {
    const seen = Array.from({ length: queries }, (_, i) => i + 1 + keys - queries);
    counts.push(ops.ints(seen, [1, 1, queries, 1]));
  }
  const key = Array.from({ length: keys }, (_, j) => j);
  const count = counts.length === 1 ? counts[0]! : ops.minimum(counts[0]!, counts[1]!);
  return ops.less(ops.ints(key), count);
}

/** dp, p [..., keys] → ds = p·(dp − Σ dp·p). */
export const attentionSoftmaxGradKernel: NativeKernel = {
  name: "QatAttentionSoftmaxGrad",
  run(call) {
    const { ops } = call;
    const [dp, p] = [call.input("dp"), call.input("p")];
    const dot = ops.sum(ops.mul(dp, p), [p.shape.length - 1], true);
    return [ops.mul(p, ops.sub(dp, dot))];
  },
};

/** logits [rows, classes] → log-probabilities. */
export const logSoftmaxKernel: NativeKernel = {
  name: "QatLogSoftmax",
  run: (call) => [call.ops.logSoftmax(call.input("logits"))],
};
