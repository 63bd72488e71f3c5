/** Compiled linear maps. */
import type { SimdKernel } from "../simd-call.ts";

export const linear: SimdKernel = (call) => {
  const [m, k] = call.shape("x") as [number, number];
  const n = call.shape("bias")[0]!;
  const scratch = call.scratch(call.simd.gemmScratchBytes());
  const transposeB = call.attributes["transposeB"] === true ? 1 : 0;
  call.simd.gemm(
    ...[call.address("x"), call.address("kernel"), call.out[0]!],
    ...[m, n, k, 0, transposeB, 1, 0, 0, 0, call.address("bias"), scratch],
  );
  return true;
};
