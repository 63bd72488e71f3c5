/** Linear maps, and sums for their bias' gradient. */
import { addBias } from "../../core/elementwise.ts";
import { floatProduct } from "../../core/float-product.ts";
import type { LoopKernel } from "../loop-kernel.ts";

/** x [rows, inputs], kernel [inputs, outputs] or [outputs, inputs], bias → [rows, outputs]. */
export const linearKernel: LoopKernel = {
  name: "QatLinear",
  outputShapes: ({ x, bias }) => [[x![0]!, bias![0]!]],
  run(call) {
    const [m, k] = call.shape("x") as [number, number];
    const n = call.shape("bias")[0]!;
    const transposeB = call.attributes.transposeB === true;
    const [x, kernel] = [call.floats("x"), call.floats("kernel")];
    const y = floatProduct(x, kernel, { m, k, n, transposeB });
    addBias(y, call.floats("bias"), call.out[0]!);
  },
};

/** x [rows, n] → Σ over rows, added in their order in float32. */
export const columnSumKernel: LoopKernel = {
  name: "QatColumnSum",
  outputShapes: ({ x }) => [[x![1]!]],
  run(call) {
    const x = call.floats("x");
    const out = call.out[0]!.fill(0);
    const n = out.length;
    for (let start = 0; start < x.length; start += n) {
      for (let j = 0; j < n; j++) out[j] = out[j]! + x[start + j]!;
    }
  },
};
