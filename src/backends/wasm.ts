/** Kernels for TensorFlow.js' wasm backend: loops over its memory, and faster products. */
import * as tf from "@tensorflow/tfjs";
import { KernelError } from "../errors.ts";
import { callLoopKernel, type LoopMemory } from "./loop-call.ts";
import type { LoopKernel } from "./loop-kernel.ts";
import { LOOP_KERNELS } from "./loop-kernels.ts";
import { gatherRows, isRowGather } from "./wasm-gather.ts";
import { batchMatMul, createMatMulContext, type MatMulContext } from "./wasm-matmul.ts";
import { floatView, guardAllocation, intView, type WasmBackend } from "./wasm-memory.ts";

const BACKEND = "wasm";

/**
 * Registers all our kernels for the wasm backend, and replaces parts of its own: BatchMatMul (fast
 * for transposed and batched operands too), GatherV2 of rows (copies blocks), Identity (shares
 * memory instead of copying) and allocation (out of memory is an error). Idempotent.
 * @throws {KernelError} if the wasm backend has not been imported
 */
export function registerWasmKernels(): void {
  const product = tf.getKernel("BatchMatMul", BACKEND) as tf.KernelConfig | undefined;
  const identity = tf.getKernel("Identity", BACKEND) as tf.KernelConfig | undefined;
  const transpose = tf.getKernel("Transpose", BACKEND) as tf.KernelConfig | undefined;
  const gather = tf.getKernel("GatherV2", BACKEND) as tf.KernelConfig | undefined;
  if (
    product === undefined ||
    identity === undefined ||
    transpose === undefined ||
    gather === undefined
  ) {
    throw new KernelError(
      `registerWasmKernels: expected the wasm backend to be there, received none. ` +
        `Import "@tensorflow/tfjs-backend-wasm" first, or call selectBackend("wasm").`,
    );
  }
  if (tf.getKernelsForBackend(BACKEND).some(({ kernelName }) => kernelName === "QatFakeQuant"))
    return;
  const prepare = createPreparation(transpose.kernelFunc);
  if (tf.getBackend() === BACKEND) prepare(tf.backend() as unknown as WasmBackend);
  for (const kernel of LOOP_KERNELS) registerLoopKernel(kernel, prepare);
  // Changing the entries is quiet; registering a second time would print a warning for each.
  identity.kernelFunc = ({ inputs, backend }) => alias(inputs.x!, backend as WasmBackend);
  const { kernelFunc: gatherElements } = gather;
  gather.kernelFunc = (call) => {
    const { x, indices } = call.inputs as { x: tf.TensorInfo; indices: tf.TensorInfo };
    if (!isRowGather(x, indices, call.attrs ?? {})) {
      return gatherElements(call);
    }
    const backend = call.backend as WasmBackend;
    prepare(backend);
    return gatherRows(backend, x, indices);
  };
  product.kernelFunc = ({ inputs, backend, attrs }) => {
    const transposed = { a: attrs?.transposeA === true, b: attrs?.transposeB === true };
    return batchMatMul(prepare(backend as WasmBackend), inputs.a!, inputs.b!, transposed);
  };
}

function registerLoopKernel(
  kernel: LoopKernel,
  prepare: (backend: WasmBackend) => MatMulContext,
): void {
  tf.registerKernel({
    kernelName: kernel.name,
    backendName: BACKEND,
    kernelFunc: ({ inputs, backend, attrs }) => {
      const wasm = backend as WasmBackend;
      prepare(wasm);
      return callLoopKernel(kernel, wasmMemory(wasm), inputs, (attrs ?? {}) as Attributes);
    },
  });
}

type Attributes = Record<string, number | string | boolean>;

/** Guards a backend's allocation and sets up its products, once for each backend. */
function createPreparation(transpose: tf.KernelFunc): (backend: WasmBackend) => MatMulContext {
  const contexts = new WeakMap<WasmBackend, MatMulContext>();
  return (backend) => {
    let context = contexts.get(backend);
    if (context === undefined) {
      guardAllocation(backend);
      context = createMatMulContext(backend, transpose);
      contexts.set(backend, context);
    }
    return context;
  };
}

function wasmMemory(backend: WasmBackend): LoopMemory {
  return {
    allocate: (shape) => backend.makeOutput([...shape], "float32"),
    release: (info) => void backend.disposeData(info.dataId),
    float: (info) => floatView(backend, info),
    int: (info) => intView(backend, info),
  };
}

/** A second owner of the same memory: no kernel writes to memory that it did not allocate. */
function alias(x: tf.TensorInfo, backend: WasmBackend): tf.TensorInfo {
  backend.incRef(x.dataId);
  return { dataId: x.dataId, shape: x.shape, dtype: x.dtype };
}
