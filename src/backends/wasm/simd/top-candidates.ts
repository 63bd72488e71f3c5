/** Compiled choice of the best tokens. */
import type { SimdKernel } from "../simd-call.ts";

export const topCandidates: SimdKernel = (call) => {
  const [rows, classes] = call.shape("logits") as [number, number];
  const { size, factor, maskedA, maskedB } = call.attributes as Record<string, number>;
  const [tokens, logProbs, scores] = call.out as [number, number, number];
  call.simd.topCandidates(
    ...[call.address("logits"), call.address("accumulated"), tokens, logProbs, scores],
    ...[0, rows, classes, size!, factor!, maskedA!, maskedB!],
  );
  return true;
};
