/** Products of integer codes, exact and scaled once. */
import { exactSlice } from "../../../core/integer-product.ts";
import { TYPES } from "../binding.ts";
import type { NativeCall, NativeKernel } from "../native-kernel.ts";
import type { Value } from "../op-run.ts";

/**
 * a [..., m, k], b [..., k, n] or [..., n, k], scaleA, scaleB, bias? → [..., m, n]. NaN among the
 * codes stays NaN: looking for it would read values.
 */
export const codeProductKernel: NativeKernel = {
  name: "QatCodeProduct",
  run(call) {
    const { ops } = call;
    const scale = ops.mul(call.input("scaleA"), call.input("scaleB"));
    const y = ops.mul(sums(call), scale);
    const bias = call.optional("bias");
    return [bias === null ? y : ops.biasAdd(y, bias)];
  },
};

/** Σ over k of a·b, rounded to float32 once: slices of k whose float32 sums are exact, in int32. */
function sums({ ops, input, attributes }: NativeCall): Value {
  const { transposeB, maxAbsA, maxAbsB } = attributes as {
    transposeB: boolean;
    maxAbsA: number;
    maxAbsB: number;
  };
  const [a, b] = [input("a"), input("b")];
  const k = a.shape.at(-1)!;
  const length = exactSlice(maxAbsA, maxAbsB);
  if (k <= length) return ops.product(a, b, false, transposeB);
  const axisB = b.shape.length - (transposeB ? 1 : 2);
  let sum: Value | null = null;
  for (let start = 0; start < k; start += length) {
    const size = Math.min(length, k - start);
    const cut = (x: Value, axis: number): Value => {
      const begin = x.shape.map((_, i) => (i === axis ? start : 0));
      return ops.slice(x, begin, x.shape.with(axis, size));
    };
    const part = ops.product(cut(a, a.shape.length - 1), cut(b, axisB), false, transposeB);
    const whole = ops.cast(part, TYPES.int32);
    sum = sum === null ? whole : ops.add(sum, whole);
  }
  return ops.cast(sum!, TYPES.float32);
}
