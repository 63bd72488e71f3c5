/** Adam's update and the sum of squares. */
import { typeAttribute, TYPES } from "../binding.ts";
import type { NativeKernel } from "../native-kernel.ts";

/**
 * value, gradient, m, v → new value, m, v, rounded as in the loops; the rate is an input (scalar)
 * or an attribute.
 */
export const adamKernel: NativeKernel = {
  name: "QatAdam",
  run(call) {
    const { ops } = call;
    const [gradient, m, v] = [call.input("gradient"), call.input("m"), call.input("v")];
    const { beta1, beta2, epsilon } = call.attributes as Record<string, number>;
    const rate = call.optional("rate") ?? ops.scalar(call.attributes.rate as number);
    const newM = ops.add(m, ops.mul(ops.sub(gradient, m), 1 - beta1!));
    const newV = ops.add(v, ops.mul(ops.sub(ops.square(gradient), v), 1 - beta2!));
    const change = ops.div(ops.mul(newM, rate), ops.add(ops.sqrt(newV), epsilon!));
    return [ops.sub(call.input("value"), change), newM, newV];
  },
};

/** x → Σ x². */
export const squareSumKernel: NativeKernel = {
  name: "QatSquareSum",
  run(call) {
    const { ops } = call;
    const half = ops.op("L2Loss", [typeAttribute("T", TYPES.float32)], [call.input("x")]);
    return [ops.add(half, half)];
  },
};
