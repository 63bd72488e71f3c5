/**
 * Kernels for TensorFlow.js' wasm backend: compiled ones over its memory, loops where that memory
 * could not be caught, and faster versions of some of its own.
 */
import * as tf from "@tensorflow/tfjs";
import { KernelError } from "../../errors.ts";
import type { KernelAttributes } from "../../ops/kernel.ts";
import { callLoopKernel, type LoopMemory } from "../loop-call.ts";
import type { LoopKernel } from "../loop-kernel.ts";
import { LOOP_KERNELS } from "../loop-kernels.ts";
import { simdModuleOf, watchBackendStart } from "./backend-start.ts";
import { WasmContext } from "./context.ts";
import { gatherRows, isRowGather } from "./gather.ts";
import { floatView, intView, type WasmBackend } from "./memory.ts";
import { callSimdKernel } from "./simd-call.ts";
import { SIMD_KERNELS } from "./simd-kernels.ts";
import { simdMatMul } from "./simd-matmul.ts";
import { xnnpackMatMul } from "./xnnpack-matmul.ts";

const BACKEND = "wasm";

/** The backend's own kernels that we replace or use. */
const OWN_KERNELS = ["BatchMatMul", "Identity", "Transpose", "GatherV2"] as const;

/**
 * Registers all our kernels for the wasm backend, and replaces parts of its own: BatchMatMul (fast
 * for transposed and batched operands too), GatherV2 of rows (copies blocks), Identity (shares
 * memory instead of copying) and allocation (out of memory is an error). Call it before the backend
 * starts: the memory that compiled kernels need can be caught only then. Idempotent.
 * @throws {KernelError} if the wasm backend has not been imported
 */
export function registerWasmKernels(): void {
  const [product, identity, transpose, gather] = OWN_KERNELS.map(ownKernel) as [
    tf.KernelConfig,
    tf.KernelConfig,
    tf.KernelConfig,
    tf.KernelConfig,
  ];
  if (tf.getKernelsForBackend(BACKEND).some(({ kernelName }) => kernelName === "QatFakeQuant"))
    return;
  const contextOf = createContexts(transpose.kernelFunc);
  watchBackendStart(contextOf);
  if (tf.getBackend() === BACKEND) contextOf(tf.backend() as unknown as WasmBackend);
  for (const kernel of LOOP_KERNELS) registerKernel(kernel, contextOf);
  // Changing the entries is quiet; registering a second time would print a warning for each.
  identity.kernelFunc = ({ inputs, backend }) => alias(inputs.x!, backend as WasmBackend);
  const { kernelFunc: gatherElements } = gather;
  gather.kernelFunc = (call) => {
    const { x, indices } = call.inputs as { x: tf.TensorInfo; indices: tf.TensorInfo };
    if (!isRowGather(x, indices, call.attrs ?? {})) return gatherElements(call);
    return gatherRows(contextOf(call.backend as WasmBackend).backend, x, indices);
  };
  product.kernelFunc = ({ inputs, backend, attrs }) => {
    const { a, b } = inputs as { a: tf.TensorInfo; b: tf.TensorInfo };
    checkFloat(a, b);
    const transposed = { a: attrs?.transposeA === true, b: attrs?.transposeB === true };
    const context = contextOf(backend as WasmBackend);
    if (hasSimd(context)) return simdMatMul(context, a, b, transposed);
    return xnnpackMatMul(context.matMul, a, b, transposed);
  };
}

/** True where our compiled kernels run on the backend, false where loops do. */
export function runsCompiledKernels(backend: unknown): boolean {
  return simdModuleOf(backend as WasmBackend) !== null;
}

function ownKernel(name: string): tf.KernelConfig {
  const kernel = tf.getKernel(name, BACKEND) as tf.KernelConfig | undefined;
  if (kernel !== undefined) return kernel;
  throw new KernelError(
    `registerWasmKernels: expected the wasm backend to be there, received none. ` +
      `Import "@tensorflow/tfjs-backend-wasm" first, or call selectBackend("wasm").`,
  );
}

type ContextOf = (backend: WasmBackend) => WasmContext;

/** One context for each backend, made at its first kernel. */
function createContexts(transpose: tf.KernelFunc): ContextOf {
  const contexts = new WeakMap<WasmBackend, WasmContext>();
  return (backend) => {
    let context = contexts.get(backend);
    if (context === undefined) {
      context = new WasmContext(backend, transpose);
      contexts.set(backend, context);
    }
    return context;
  };
}

type SimdContext = Parameters<typeof callSimdKernel>[2];

function hasSimd(context: WasmContext): context is SimdContext {
  return context.simd !== null;
}

function registerKernel(kernel: LoopKernel, contextOf: ContextOf): void {
  const compiled = SIMD_KERNELS[kernel.name];
  tf.registerKernel({
    kernelName: kernel.name,
    backendName: BACKEND,
    kernelFunc: ({ inputs, backend, attrs }) => {
      const context = contextOf(backend as WasmBackend);
      const attributes = (attrs ?? {}) as KernelAttributes;
      if (compiled !== undefined && hasSimd(context)) {
        const out = callSimdKernel(kernel, compiled, context, inputs, attributes);
        if (out !== null) return out;
      }
      return callLoopKernel(kernel, loopMemory(context.backend), inputs, attributes);
    },
  });
}

function checkFloat(a: tf.TensorInfo, b: tf.TensorInfo): void {
  if (a.dtype === "float32" && b.dtype === "float32") return;
  throw new KernelError(
    `matMul: expected float32 operands, received ${a.dtype} and ${b.dtype}. ` +
      `Convert them with tf.cast.`,
  );
}

function loopMemory(backend: WasmBackend): LoopMemory {
  return {
    allocate: (shape, dtype) => backend.makeOutput([...shape], dtype),
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
