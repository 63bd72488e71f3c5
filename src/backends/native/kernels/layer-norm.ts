/** Layer normalization over the last axis, and its gradient. */
import type { NativeCall, NativeKernel } from "../native-kernel.ts";
import type { Value } from "../op-run.ts";

/** x [..., width], gamma, beta [width] → y. */
export const layerNormKernel: NativeKernel = {
  name: "QatLayerNorm",
  run(call) {
    const { ops } = call;
    const { normalized } = normalize(call);
    return [ops.add(ops.mul(normalized, call.input("gamma")), call.input("beta"))];
  },
};

/** dy, x [..., width], gamma [width] → dx, dgamma, dbeta; formulas: `ops/layer-norm.ts`. */
export const layerNormGradKernel: NativeKernel = {
  name: "QatLayerNormGrad",
  run(call) {
    const { ops } = call;
    const [dy, gamma] = [call.input("dy"), call.input("gamma")];
    const { normalized, inverse } = normalize(call);
    const last = [dy.shape.length - 1];
    const width = gamma.shape[0]!;
    const rows = [dy.shape.slice(0, -1).reduce((size, d) => size * d, 1), width];
    const products = ops.mul(dy, normalized);
    const g = ops.mul(dy, gamma);
    const meanGh = ops.mean(ops.mul(products, gamma), last, true);
    const centred = ops.sub(ops.sub(g, ops.mean(g, last, true)), ops.mul(normalized, meanGh));
    return [
      ops.mul(inverse, centred),
      // A single row has no axis to sum over.
      ops.columnSum(dy.shape.length === 1 ? ops.reshape(products, rows) : products),
      ops.columnSum(dy.shape.length === 1 ? ops.reshape(dy, rows) : dy),
    ];
  },
};

/** h = (x − mean)·r, and r = 1/√(variance + epsilon), over the last axis. */
function normalize(call: NativeCall): { normalized: Value; inverse: Value } {
  const { ops } = call;
  const x = call.input("x");
  const last = [x.shape.length - 1];
  const centred = ops.sub(x, ops.mean(x, last, true));
  const variance = ops.mean(ops.square(centred), last, true);
  const inverse = ops.rsqrt(ops.add(variance, call.attributes.epsilon as number));
  return { normalized: ops.mul(centred, inverse), inverse };
}
