/** Better versions of kernels that the package itself has. */
import * as tf from "@tensorflow/tfjs";
import { TYPES, type NativeBackend } from "./binding.ts";
import { callNativeKernel, type NativeCall } from "./native-kernel.ts";
import type { Value } from "./op-run.ts";

/**
 * GatherV2: the package's reads the indices and checks them in JavaScript, at every call.
 * Reshape: an operation even where the shape stays, as in every gradient of an addition.
 * BatchMatMul: matrices without a batch go through the operation that is made for them.
 * Cast: an operation even where the type stays, as in every gradient of a product.
 * Step, in the gradient of relu: five operations for NaN's sake, where these two keep it.
 */
const REPLACEMENTS: Readonly<Record<string, (call: NativeCall) => Value>> = {
  GatherV2({ ops, input, attributes }) {
    const { axis, batchDims } = attributes as { axis: number; batchDims?: number };
    return ops.gather(input("x"), input("indices"), axis, batchDims ?? 0);
  },
  Reshape({ ops, input, attributes }) {
    return ops.reshape(input("x"), attributes.shape as unknown as number[]);
  },
  BatchMatMul({ ops, input, attributes }) {
    const { transposeA, transposeB } = attributes;
    return ops.product(input("a"), input("b"), transposeA === true, transposeB === true);
  },
  Cast({ ops, input, attributes }) {
    return ops.cast(input("x"), TYPES[attributes.dtype as keyof typeof TYPES]);
  },
  Step({ ops, input, attributes }) {
    const [x, alpha] = [input("x"), attributes.alpha as number];
    if (alpha === 0) return ops.sign(ops.maximum(x, 0));
    return ops.select(ops.isNaN(x), x, ops.select(ops.greater(x, 0), 1, alpha));
  },
};

/** Kernels of TensorFlow.js that the package does not have. */
const ADDITIONS: typeof REPLACEMENTS = {
  BitwiseAnd: ({ ops, input }) => ops.bitAnd(input("a"), input("b")),
};

/** Replaces and completes the package's kernels for good. Not idempotent. */
export function improveStockKernels(backendName: string): void {
  for (const [name, run] of Object.entries(REPLACEMENTS)) {
    const kernel = tf.getKernel(name, backendName);
    const { kernelFunc: stock } = kernel;
    const ours = kernelFuncOf(run);
    // Changing the entry is quiet; registering a second time would print a warning.
    kernel.kernelFunc = (call) => (isOfPlainTypes(call) ? ours(call) : stock(call));
  }
  for (const [kernelName, run] of Object.entries(ADDITIONS)) {
    tf.registerKernel({ kernelName, backendName, kernelFunc: kernelFuncOf(run) });
  }
}

/** False for texts and complex numbers, which are left to the package. */
function isOfPlainTypes({ inputs, attrs }: Parameters<tf.KernelFunc>[0]): boolean {
  const target = (attrs as { dtype?: unknown } | undefined)?.dtype;
  const types = Object.values(inputs).map((info) => info?.dtype);
  return [...types, target].every((type) => type === undefined || (type as string) in TYPES);
}

function kernelFuncOf(run: (call: NativeCall) => Value): tf.KernelFunc {
  return ({ inputs, backend, attrs }) => {
    const attributes = (attrs ?? {}) as NativeCall["attributes"];
    return callNativeKernel((call) => [run(call)], backend as NativeBackend, inputs, attributes);
  };
}
