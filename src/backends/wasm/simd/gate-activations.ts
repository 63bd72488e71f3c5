/** Compiled sigmoid and hyperbolic tangent. */
import { sizeOf } from "../../loop-kernel.ts";
import type { SimdKernel } from "../simd-call.ts";

export const sigmoid: SimdKernel = (call) => {
  call.simd.sigmoid(call.address("x"), call.out[0]!, 0, sizeOf(call.shape("x")));
  return true;
};

export const tanh: SimdKernel = (call) => {
  call.simd.tanh(call.address("x"), call.out[0]!, 0, sizeOf(call.shape("x")));
  return true;
};
