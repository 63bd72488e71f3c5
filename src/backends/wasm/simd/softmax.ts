/** Compiled softmax, log-softmax and cross-entropy, with their gradients. */
import { sizeOf } from "../../loop-kernel.ts";
import { smoothedTargets } from "../../loops/cross-entropy-kernels.ts";
import type { SimdKernel } from "../simd-call.ts";

export const attentionSoftmax: SimdKernel = (call) => {
  const [batch, heads, queries, keys] = call.shape("scores") as [number, number, number, number];
  const lengths = call.has("keyLengths") ? call.intAddress("keyLengths") : 0;
  const ahead = call.attributes["causal"] === true ? keys - queries + 1 : keys;
  const rows = batch * heads * queries;
  const scores = call.address("scores");
  const perBatch = heads * queries;
  call.simd.attentionSoftmax(
    ...[scores, call.out[0]!, 0, rows, keys, lengths, perBatch, queries, ahead],
  );
  return true;
};

export const attentionSoftmaxGrad: SimdKernel = (call) => {
  const shape = call.shape("p");
  const keys = shape.at(-1)!;
  const rows = sizeOf(shape.slice(0, -1));
  call.simd.softmaxGrad(call.address("dp"), call.address("p"), call.out[0]!, 0, rows, keys);
  return true;
};

export const logSoftmax: SimdKernel = (call) => {
  const [rows, classes] = call.shape("logits") as [number, number];
  call.simd.logSoftmax(call.address("logits"), call.out[0]!, 0, rows, classes);
  return true;
};

export const crossEntropy: SimdKernel = (call) => {
  const [rows] = call.shape("logits") as [number, number];
  const { classes, other, atTarget } = smoothedTargets(call, "logits");
  const perfect = call.attributes["perfect"] as number;
  call.simd.crossEntropy(
    ...[call.address("logits"), call.intAddress("targets"), call.out[0]!, call.out[1]!],
    ...[0, rows, classes, atTarget, other, perfect],
  );
  return true;
};

export const crossEntropyGrad: SimdKernel = (call) => {
  const [rows] = call.shape("p") as [number, number];
  const { classes, other, atTarget } = smoothedTargets(call, "p");
  call.simd.crossEntropyGrad(
    ...[call.address("dloss"), call.address("p"), call.intAddress("targets"), call.out[0]!],
    ...[0, rows, classes, atTarget, other],
  );
  return true;
};
