/** Fake quantization by scale and zero point: the arithmetic of `core/affine.ts` as operations. */
import type { NativeCall, NativeKernel } from "../native-kernel.ts";
import type { Value } from "../op-run.ts";

/** x, scale, zeroPoint → values. */
export const affineQuantKernel: NativeKernel = {
  name: "QatAffineQuant",
  run(call) {
    const { codes, scale } = quantized(call);
    return [call.ops.mul(codes, scale)];
  },
};

/** x, scale, zeroPoint → centred codes. */
export const affineQuantCodesKernel: NativeKernel = {
  name: "QatAffineQuantCodes",
  run: (call) => [quantized(call).codes],
};

function quantized(call: NativeCall): { codes: Value; scale: Value } {
  const { ops } = call;
  const { qmin, qmax, axis } = call.attributes as Record<string, number>;
  const x = call.input("x");
  const toAxis = (given: Value): Value => {
    // A vector lies along the last axis by itself.
    if (axis! < 0 || given.shape.length === 0 || axis === x.shape.length - 1) return given;
    const shape = x.shape.map((_, i) => (i === axis ? given.shape[0]! : 1));
    return ops.reshape(given, shape);
  };
  const scale = toAxis(call.input("scale"));
  const zero = toAxis(call.input("zeroPoint"));
  const steps = ops.rint(ops.div(x, scale));
  const codes = ops.minimum(ops.maximum(steps, ops.sub(qmin!, zero)), ops.sub(qmax!, zero));
  return { codes: ops.add(codes, 0), scale };
}
