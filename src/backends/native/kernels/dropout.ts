/** Dropout by the counter-based generator of `core/dropout-hash.ts`. */
import { dropThreshold, HASH_MULTIPLIER, HASH_STRIDE } from "../../../core/dropout-hash.ts";
import type { NativeKernel } from "../native-kernel.ts";
import type { Value } from "../op-run.ts";
import type { Ops } from "../ops.ts";

/** Half a word's ones: what a shift by 16 that fills with zeros would leave. */
const LOW_HALF = 0xffff;
/** Turns the order of unsigned numbers into that of signed ones. */
const SIGN = -(2 ** 31);

/**
 * x, seed (int32 scalar) → x/(1 − rate) where the element's hash reaches the threshold, else 0.
 * TensorFlow's int32 product wraps as the hash needs it.
 */
export const dropoutKernel: NativeKernel = {
  name: "QatDropout",
  run(call) {
    const { ops } = call;
    const x = call.input("x");
    const rate = call.attributes.rate as number;
    const size = x.shape.reduce((product, d) => product * d, 1);
    const places = ops.mul(ops.range(size), HASH_STRIDE | 0);
    const hash = mix(ops, ops.xor(places, mix(ops, call.input("seed"))));
    const threshold = dropThreshold(rate) ^ SIGN;
    const isKept = ops.reshape(ops.greaterEqual(ops.xor(hash, SIGN), threshold), x.shape);
    return [ops.selectSame(isKept, ops.div(x, Math.fround(1 - rate)), ops.zerosLike(x))];
  },
};

/** `mixBits` of core/dropout-hash.ts. */
function mix(ops: Ops, bits: Value): Value {
  const fold = (x: Value): Value => ops.xor(x, ops.bitAnd(ops.shiftRight(x, 16), LOW_HALF));
  const once = ops.mul(fold(bits), HASH_MULTIPLIER);
  return fold(ops.mul(fold(once), HASH_MULTIPLIER));
}
