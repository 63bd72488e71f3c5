/** Linear maps, products of matrices, and sums for a bias' gradient. */
import type { NativeKernel } from "../native-kernel.ts";

/** x [rows, inputs], kernel [inputs, outputs] or [outputs, inputs], bias → [rows, outputs]. */
export const linearKernel: NativeKernel = {
  name: "QatLinear",
  run(call) {
    const { ops } = call;
    const transposeB = call.attributes.transposeB === true;
    const y = ops.product(call.input("x"), call.input("kernel"), false, transposeB);
    return [ops.biasAdd(y, call.input("bias"))];
  },
};

/** x [rows, n] → Σ over rows. */
export const columnSumKernel: NativeKernel = {
  name: "QatColumnSum",
  run: (call) => [call.ops.columnSum(call.input("x"))],
};

/** a [..., m, k], b [..., k, n] → [..., m, n]: TensorFlow's own rounding is what is asked for. */
export const fusedProductKernel: NativeKernel = {
  name: "QatFusedProduct",
  run: (call) => [call.ops.product(call.input("a"), call.input("b"), false, false)],
};
