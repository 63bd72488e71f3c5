/** Compiled matrix products by fused multiply-add. */
import { sizeOf } from "../../loop-kernel.ts";
import type { SimdKernel } from "../simd-call.ts";

export const fusedProduct: SimdKernel = (call) => {
  const shape = call.shape("a");
  const [m, k] = shape.slice(-2) as [number, number];
  const n = call.shape("b").at(-1)!;
  const count = sizeOf(shape.slice(0, -2));
  call.simd.fusedProduct(call.address("a"), call.address("b"), call.out[0]!, count, m, k, n);
  return true;
};
