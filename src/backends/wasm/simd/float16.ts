/** Compiled rounding to half precision. */
import { sizeOf } from "../../loop-kernel.ts";
import type { SimdKernel } from "../simd-call.ts";

export const roundFloat16: SimdKernel = (call) => {
  call.simd.roundFloat16(call.address("x"), call.out[0]!, 0, sizeOf(call.shape("x")));
  return true;
};
