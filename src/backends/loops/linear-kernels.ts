/** What surrounds matrix products: sums for the bias' gradient, scaling of integer sums. */
import type { LoopKernel } from "../loop-kernel.ts";

/** x [rows, n] → Σ over rows, in float64. */
export const columnSumKernel: LoopKernel = {
  name: "QatColumnSum",
  outputShapes: ({ x }) => [[x![1]!]],
  run(call) {
    const x = call.float("x");
    const n = call.shape("x")[1]!;
    const sums = new Float64Array(n);
    const end = x.length;
    let start = 0;
    for (; start + 4 * n <= end; start += 4 * n) {
      const [second, third, fourth] = [start + n, start + 2 * n, start + 3 * n];
      for (let j = 0; j < n; j++) {
        sums[j]! += x[start + j]! + x[second + j]! + x[third + j]! + x[fourth + j]!;
      }
    }
    for (; start < end; start += n) {
      for (let j = 0; j < n; j++) sums[j]! += x[start + j]!;
    }
    call.out[0]!.set(sums);
  },
};

/** sums [..., n], scaleA (scalar), scaleB (scalar or [n]) → fround(sums·fround(scaleA·scaleB)). */
export const scaleCodesKernel: LoopKernel = {
  name: "QatScaleCodes",
  outputShapes: ({ sums }) => [sums!],
  run(call) {
    const sums = call.float("sums");
    const out = call.out[0]!;
    const scaleA = call.float("scaleA")[0]!;
    const scales = call.float("scaleB").map((scaleB) => scaleA * scaleB);
    if (scales.length === 1) {
      const scale = scales[0]!;
      for (let i = 0; i < sums.length; i++) out[i] = sums[i]! * scale;
      return;
    }
    const n = scales.length;
    for (let start = 0; start < sums.length; start += n) {
      for (let j = 0; j < n; j++) out[start + j] = sums[start + j]! * scales[j]!;
    }
  },
};
