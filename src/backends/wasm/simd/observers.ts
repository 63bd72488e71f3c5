/** Compiled range and histogram of a tensor's values. */
import { sizeOf } from "../../loop-kernel.ts";
import type { SimdKernel } from "../simd-call.ts";

export const valueRange: SimdKernel = (call) => {
  call.simd.valueRange(call.address("x"), sizeOf(call.shape("x")), call.out[0]!);
  return true;
};

export const magnitudeHistogram: SimdKernel = (call) => {
  const { cells, width } = call.attributes as { cells: number; width: number };
  const positive = call.attributes["positive"] === true ? 1 : 0;
  const size = sizeOf(call.shape("x"));
  call.simd.magnitudeHistogram(call.address("x"), size, positive, width, cells, call.out[0]!);
  return true;
};
