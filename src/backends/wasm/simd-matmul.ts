/** Matrix products by the compiled kernel: every transpose and batch case. */
import type * as tf from "@tensorflow/tfjs";
import type { WasmContext } from "./context.ts";
import { addressOf } from "./memory.ts";
import { operandIndices, productSizes } from "./product-sizes.ts";
import type { SimdModule } from "./simd-module.ts";

/** The BatchMatMul kernel: out[g] = op(a[g])·op(b[g]), leading axes broadcast as in TensorFlow. */
export function simdMatMul(
  context: WasmContext & { readonly simd: SimdModule },
  a: tf.TensorInfo,
  b: tf.TensorInfo,
  transposed: { readonly a: boolean; readonly b: boolean },
): tf.TensorInfo {
  const { backend, simd } = context;
  const { m, k, n, outer, batch, outerA, outerB } = productSizes(a, b, transposed);
  const scratch = context.scratch(simd.gemmScratchBytes());
  const out = backend.makeOutput([...outer, m, n], "float32");
  const [from, with_, to] = [a, b, out].map((x) => addressOf(backend, x)) as [
    number,
    number,
    number,
  ];
  const [bytesA, bytesB, bytesC] = [4 * m * k, 4 * k * n, 4 * m * n];
  const flags = [m, n, k, transposed.a ? 1 : 0, transposed.b ? 1 : 0];
  const countA = outerA.reduce((p, d) => p * d, 1);
  const countB = outerB.reduce((p, d) => p * d, 1);
  if ((countA === batch || countA === 1) && (countB === batch || countB === 1)) {
    const strides = [countA === 1 ? 0 : bytesA, countB === 1 ? 0 : bytesB, bytesC];
    simd.gemm(from, with_, to, ...flags, batch, ...strides, 0, scratch);
    return out;
  }
  const indexA = operandIndices(outer, outerA);
  const indexB = operandIndices(outer, outerB);
  for (let g = 0; g < batch; g++) {
    const left = from + bytesA * indexA[g]!;
    const right = with_ + bytesB * indexB[g]!;
    simd.gemm(left, right, to + bytesC * g, ...flags, 1, 0, 0, 0, 0, scratch);
  }
  return out;
}
