/** A matrix product by fused multiply-add in the order of the common axis. */
import { sizeOf, type LoopKernel } from "../loop-kernel.ts";

/** a [..., m, k], b [..., k, n] → [..., m, n], acc = fround(acc + a·b). */
export const fusedProductKernel: LoopKernel = {
  name: "QatFusedProduct",
  outputShapes: ({ a, b }) => [[...a!.slice(0, -1), b!.at(-1)!]],
  run(call) {
    const a = call.floats("a");
    const b = call.floats("b");
    const k = call.shape("a").at(-1)!;
    const n = call.shape("b").at(-1)!;
    const rows = call.shape("a").at(-2)!;
    const total = sizeOf(call.shape("a").slice(0, -1));
    const out = call.out[0]!.fill(0);
    for (let row = 0; row < total; row++) {
      const matrix = Math.floor(row / rows) * k * n;
      const start = row * n;
      for (let i = 0; i < k; i++) {
        const x = a[row * k + i]!;
        const line = matrix + i * n;
        // The product is exact in float64, and storing into float32 is the one rounding.
        for (let j = 0; j < n; j++) out[start + j] = out[start + j]! + x * b[line + j]!;
      }
    }
  },
};
