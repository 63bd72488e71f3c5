/** Compiled optimizer step, dropout and sums. */
import { dropThreshold, mixBits } from "../../../core/dropout-hash.ts";
import { sizeOf } from "../../loop-kernel.ts";
import type { SimdKernel } from "../simd-call.ts";

export const adam: SimdKernel = (call) => {
  const { beta1, beta2, epsilon } = call.attributes as Record<string, number>;
  const rate = call.floats("rate")[0]!;
  const size = sizeOf(call.shape("value"));
  call.simd.adam(
    ...[call.address("value"), call.address("gradient"), call.address("m"), call.address("v")],
    ...[call.out[0]!, call.out[1]!, call.out[2]!, 0, size],
    ...[rate, 1 - beta1!, 1 - beta2!, epsilon!],
  );
  return true;
};

export const dropout: SimdKernel = (call) => {
  const rate = call.attributes["rate"] as number;
  const seed = mixBits(call.ints("seed")[0]!);
  const size = sizeOf(call.shape("x"));
  call.simd.dropout(
    ...[call.address("x"), call.out[0]!, 0, size, seed, dropThreshold(rate), Math.fround(1 - rate)],
  );
  return true;
};

export const columnSum: SimdKernel = (call) => {
  const [rows, n] = call.shape("x") as [number, number];
  call.simd.columnSum(call.address("x"), call.out[0]!, rows, n);
  return true;
};

export const squareSum: SimdKernel = (call) => {
  const sum = call.simd.squareSum(call.address("x"), sizeOf(call.shape("x")));
  call.floatsAt(call.out[0]!, 1)[0] = sum;
  return true;
};
