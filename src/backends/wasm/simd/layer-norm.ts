/** Compiled layer normalization and its gradient. */
import { sizeOf } from "../../loop-kernel.ts";
import type { SimdKernel } from "../simd-call.ts";

export const layerNorm: SimdKernel = (call) => {
  const width = call.shape("gamma")[0]!;
  const rows = sizeOf(call.shape("x")) / width;
  const epsilon = call.attributes["epsilon"] as number;
  call.simd.layerNorm(
    ...[call.address("x"), call.address("gamma"), call.address("beta"), call.out[0]!],
    ...[0, rows, width, epsilon],
  );
  return true;
};

export const layerNormGrad: SimdKernel = (call) => {
  const width = call.shape("gamma")[0]!;
  const rows = sizeOf(call.shape("x")) / width;
  const epsilon = call.attributes["epsilon"] as number;
  const scratch = call.scratch(4 * width);
  const [dx, dgamma, dbeta] = call.out as [number, number, number];
  call.simd.layerNormGrad(
    ...[call.address("dy"), call.address("x"), call.address("gamma"), dx, dgamma, dbeta],
    ...[rows, width, epsilon, scratch],
  );
  return true;
};
