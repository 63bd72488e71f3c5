/** Compiled kernels of what statistics ask of a tensor. */
import { sizeOf } from "../../loop-kernel.ts";
import type { SimdCall, SimdKernel } from "../simd-call.ts";

export const sampleRanges: SimdKernel = (call) => {
  const { samples } = call.attributes as { samples: number };
  const { x, mask, rows, width } = rowsOf(call, samples);
  call.simd.sampleRanges(x, mask, samples, rows / samples, width, call.out[0]!);
  return true;
};

export const valueHistogram: SimdKernel = (call) => {
  const spec = call.attributes as { cells: number; width: number; center: number };
  const { x, mask, rows, width } = rowsOf(call, 1);
  const inverse = spec.width === 0 ? 0 : 1 / spec.width;
  const [counts, squares] = call.out as [number, number];
  const { cells, center } = spec;
  call.simd.valueHistogram(x, mask, rows, width, cells, inverse, center, counts, squares);
  return true;
};

/** Addresses of x and of the mask (0: none), and x as rows, `least` of them without a mask. */
function rowsOf(call: SimdCall, least: number) {
  const size = sizeOf(call.shape("x"));
  const rows = call.has("mask") ? sizeOf(call.shape("mask")) : least;
  const mask = call.has("mask") ? call.address("mask") : 0;
  return { x: call.address("x"), mask, rows, width: size / rows };
}
