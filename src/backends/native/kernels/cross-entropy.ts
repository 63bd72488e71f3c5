/** Cross-entropy with label smoothing, from log-probabilities. */
import type { NativeKernel } from "../native-kernel.ts";

/**
 * logits [rows, V], targets [rows] → loss [rows], p [rows, V].
 * Measured on a CPU: faster than SoftmaxCrossEntropyWithLogits of smoothed labels.
 */
export const crossEntropyKernel: NativeKernel = {
  name: "QatCrossEntropy",
  run(call) {
    const { ops } = call;
    const logits = call.input("logits");
    const { smoothing, perfect } = call.attributes as { smoothing: number; perfect: number };
    const other = smoothing / Math.max(logits.shape[1]! - 1, 1);
    const logP = ops.logSoftmax(logits);
    const target = ops.gather(logP, call.input("targets"), 1, 1);
    const parts = [ops.mul(target, other + smoothing - 1)];
    if (other > 0) parts.push(ops.mul(ops.sum(logP, [1]), -other));
    const loss = parts.length === 1 ? parts[0]! : ops.add(parts[0]!, parts[1]!);
    return [perfect === 0 ? loss : ops.sub(loss, perfect), ops.exp(logP)];
  },
};

/** dloss [rows], p [rows, V], targets [rows] → dlogits = (p − q)·dloss. */
export const crossEntropyGradKernel: NativeKernel = {
  name: "QatCrossEntropyGrad",
  run(call) {
    const { ops } = call;
    const [dloss, p] = [call.input("dloss"), call.input("p")];
    const [rows, classes] = p.shape as [number, number];
    const smoothing = call.attributes.smoothing as number;
    const other = smoothing / Math.max(classes - 1, 1);
    const q = ops.oneHot(call.input("targets"), classes, 1 - smoothing, other);
    return [ops.mul(ops.sub(p, q), ops.reshape(dloss, [rows, 1]))];
  },
};
