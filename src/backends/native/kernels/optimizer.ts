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
    const value = call.input("value");
    const change = ops.div(ops.mul(newM, rate), ops.add(ops.sqrt(newV), epsilon!));
    const results = [ops.sub(value, change), newM, newV];
    call.noteUpdate({
      op: "ResourceApplyAdam",
      attributes: [typeAttribute("T", TYPES.float32)],
      variables: [value.id, m.id, v.id],
      results: results.map(({ id }) => id),
      // Powers of β that are 0 correct nothing: the rate is corrected.
      operands: [
        ...[0, 0].map(asScalar),
        rate,
        ...[beta1!, beta2!, epsilon!].map(asScalar),
        gradient,
      ],
    });
    return results;
  },
};

function asScalar(scalar: number): { scalar: number } {
  return { scalar };
}

/** x → Σ x². */
export const squareSumKernel: NativeKernel = {
  name: "QatSquareSum",
  run(call) {
    const { ops } = call;
    const half = ops.op("L2Loss", [typeAttribute("T", TYPES.float32)], [call.input("x")]);
    return [ops.add(half, half)];
  },
};
