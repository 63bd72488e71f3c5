/** Compiled look-up of rows and the sum of rows by number. */
import { sizeOf } from "../../loop-kernel.ts";
import { idError } from "../../loops/embedding-kernels.ts";
import type { SimdKernel } from "../simd-call.ts";

export const embeddingLookup: SimdKernel = (call) => {
  const [rows, width] = call.shape("table") as [number, number];
  const count = sizeOf(call.shape("ids"));
  const wrong = call.simd.lookUp(
    ...[call.address("table"), call.intAddress("ids"), call.out[0]!, count, width, rows],
  );
  if (wrong >= 0) throw idError("embeddingLookup", call.ints("ids")[wrong]!, rows);
  return true;
};

export const segmentSum: SimdKernel = (call) => {
  const count = call.attributes["numSegments"] as number;
  const [rows, ...rest] = call.shape("x") as [number, ...number[]];
  const wrong = call.simd.segmentSum(
    ...[call.address("x"), call.intAddress("segmentIds"), call.out[0]!, rows, sizeOf(rest), count],
  );
  if (wrong >= 0) throw idError("segmentSum", call.ints("segmentIds")[wrong]!, count);
  return true;
};
