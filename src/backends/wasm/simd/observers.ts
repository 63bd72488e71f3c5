/** The compiled kernel of what statistics ask of a tensor. */
import { sizeOf } from "../../loop-kernel.ts";
import type { SimdKernel } from "../simd-call.ts";

export const observe: SimdKernel = (call) => {
  const { samples, cells } = call.attributes as { samples: number; cells: number };
  const size = sizeOf(call.shape("x"));
  const rows = call.has("mask") ? sizeOf(call.shape("mask")) : samples;
  const mask = call.has("mask") ? call.address("mask") : 0;
  const other = call.scratch(4 * cells);
  const [counts, ranges] = call.out as [number, number];
  const layout = [samples, rows / samples, size / rows] as const;
  call.simd.observe(call.address("x"), mask, ...layout, cells, counts, other, ranges);
  return true;
};
