/** Products of integer codes: `core/integer-product.ts` over a backend's memory. */
import { integerProduct, scaleAccumulator } from "../../core/integer-product.ts";
import type { KernelAttributes } from "../../ops/kernel.ts";
import { sizeOf, type KernelCall, type LoopKernel } from "../loop-kernel.ts";
import { codeError } from "./code-error.ts";

/** Sizes of a call's matrices, and how many there are. */
export function codeProductSizes(call: Pick<KernelCall, "shape" | "attributes">) {
  const [shapeA, shapeB] = [call.shape("a"), call.shape("b")];
  const transposeB = call.attributes.transposeB === true;
  const [m, k] = shapeA.slice(-2) as [number, number];
  const n = shapeB.at(transposeB ? -2 : -1)!;
  return { m, k, n, transposeB, count: sizeOf(shapeA.slice(0, -2)) };
}

/** a [..., m, k], b [..., k, n] or [..., n, k], scaleA, scaleB, bias?, packedB? → [..., m, n]. */
export const codeProductKernel: LoopKernel = {
  name: "QatCodeProduct",
  outputShapes: ({ a, b }, { transposeB }) => [
    [...a!.slice(0, -1), b!.at(transposeB === true ? -2 : -1)!],
  ],
  run(call) {
    const { m, k, n, transposeB, count } = codeProductSizes(call);
    const a = call.floats("a");
    refuseNaN(a);
    if (!call.has("packedB")) refuseNaN(call.floats("b"));
    const b = call.has("packedB")
      ? packedIn(call.ints("packedB"), k * n, call.attributes)
      : call.floats("b");
    const bias = call.has("bias") ? call.floats("bias") : null;
    const scale = { scaleA: call.floats("scaleA")[0]!, scaleB: call.floats("scaleB"), bias };
    for (let g = 0; g < count; g++) {
      const left = a.subarray(g * m * k, (g + 1) * m * k);
      const right = b.subarray(g * k * n, (g + 1) * k * n);
      const sums = integerProduct(left, right, { m, k, n, transposeB });
      call.out[0]!.set(scaleAccumulator(sums, n, scale), g * m * n);
    }
  },
};

/**
 * codes [k, n] or [n, k] → bytes, or pairs of them, in an int32 tensor, as many as the compiled
 * kernel's panels of 8 columns and whole pairs of k take. Here they stay in their order.
 */
export const packCodesKernel: LoopKernel = {
  name: "QatPackCodes",
  outputTypes: ["int32"],
  outputShapes: ({ codes }, attributes) => {
    const { n, k } = packedSizes(codes!, attributes);
    return [[Math.ceil(n / 8) * Math.ceil(k / 2) * 4 * packedWidth(attributes)]];
  },
  run(call) {
    const codes = call.floats("codes");
    refuseNaN(codes);
    packedIn(call.intOut, codes.length, call.attributes).set(codes);
  },
};

function refuseNaN(codes: Float32Array): void {
  if (codes.some(Number.isNaN)) throw codeError("product of integer codes", "finite values");
}

/** Sizes of a packed right operand. */
export function packedSizes(shape: readonly number[], attributes: KernelAttributes) {
  const transposeB = attributes.transposeB === true;
  const [rows, columns] = shape as [number, number];
  return { n: transposeB ? rows : columns, k: transposeB ? columns : rows, transposeB };
}

/** Largest absolute code that is packed as one byte: −128 … 127. */
const LARGEST_BYTE = 128;

/** Bytes of each packed code. */
export function packedWidth({ maxAbsB }: KernelAttributes): 1 | 2 {
  return (maxAbsB as number) > LARGEST_BYTE ? 2 : 1;
}

function packedIn(
  ints: Int32Array,
  count: number,
  attributes: KernelAttributes,
): Int8Array | Int16Array {
  const { buffer, byteOffset } = ints;
  return packedWidth(attributes) === 1
    ? new Int8Array(buffer, byteOffset, count)
    : new Int16Array(buffer, byteOffset, count);
}
