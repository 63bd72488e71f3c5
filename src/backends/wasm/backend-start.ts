/**
 * The start of TensorFlow.js' wasm backend, watched: its memory is needed for our own compiled
 * kernels, and it is not published.
 */
import * as tf from "@tensorflow/tfjs";
import type { WasmBackend } from "./memory.ts";
import { instantiateSimd, isShared, type SimdModule } from "./simd-module.ts";
import { BackendThreads } from "./threads/backend-threads.ts";
import { nodeWorkerClass } from "./threads/node-host.ts";

const BACKEND = "wasm";
/** The priority with which TensorFlow.js registers the backend. */
const PRIORITY = 2;

const modules = new WeakMap<object, SimdModule>();
const threads = new WeakMap<object, BackendThreads>();

/** The compiled kernels over a backend's memory, or null where the memory was not caught. */
export function simdModuleOf(backend: WasmBackend): SimdModule | null {
  return modules.get(backend) ?? null;
}

/** The threads of a backend, or null where its memory cannot be shared with any. */
export function threadsOf(backend: WasmBackend): BackendThreads | null {
  return threads.get(backend) ?? null;
}

/** True once somebody has started the backend. */
export function hasBackendStarted(): boolean {
  return BACKEND in (tf.engine() as unknown as { registry: object }).registry;
}

/**
 * From now on, whoever starts the backend (tf.setBackend, tf.ready) also gets our kernels over its
 * memory. No use once it has started.
 *
 * @param onStart called with the backend when its kernels are there
 */
export function watchBackendStart(onStart: (backend: WasmBackend) => void): void {
  const start = tf.findBackendFactory(BACKEND) as (() => Promise<object>) | null;
  if (start === null || hasBackendStarted()) return;
  tf.removeBackend(BACKEND);
  const startWithKernels = async (): Promise<object> => {
    const { result, memory } = await catchMemory(start);
    const backend = result as WasmBackend;
    // Another module's memory does not count.
    if (memory?.buffer === backend.wasm.HEAPU8.buffer) await addModule(backend, memory);
    onStart(backend);
    return result;
  };
  tf.registerBackend(
    BACKEND,
    startWithKernels as Parameters<typeof tf.registerBackend>[1],
    PRIORITY,
  );
}

/** Without SIMD the loops over the memory stay; selectBackend reports which is in use. */
async function addModule(backend: WasmBackend, memory: WebAssembly.Memory): Promise<void> {
  try {
    const direct = await instantiateSimd(memory);
    modules.set(backend, direct);
    const Worker = nodeWorkerClass();
    if (Worker === null || !isShared(memory)) return;
    const divided = new BackendThreads(backend, { Worker, memory, direct });
    threads.set(backend, divided);
    modules.set(backend, divided.simd);
  } catch (error) {
    if (!(error instanceof WebAssembly.CompileError)) throw error;
  }
}

/** Runs `start` and notes the memory of the last module that is instantiated meanwhile. */
async function catchMemory(
  start: () => Promise<object>,
): Promise<{ result: object; memory: WebAssembly.Memory | null }> {
  const { instantiate, instantiateStreaming } = WebAssembly;
  let memory: WebAssembly.Memory | null = null;
  const noting =
    <A extends unknown[]>(original: (...values: A) => Promise<unknown>) =>
    async (...values: A): Promise<unknown> => {
      const output = await original.apply(WebAssembly, values);
      memory = memoryOf(output, values[1]) ?? memory;
      return output;
    };
  Object.assign(WebAssembly, {
    instantiate: noting(instantiate as (...values: unknown[]) => Promise<unknown>),
    instantiateStreaming: noting(instantiateStreaming as (...v: unknown[]) => Promise<unknown>),
  });
  try {
    return { result: await start(), memory };
  } finally {
    Object.assign(WebAssembly, { instantiate, instantiateStreaming });
  }
}

/** The memory that a module exports, or imports where it is shared by threads. */
function memoryOf(output: unknown, imports: unknown): WebAssembly.Memory | null {
  const { instance } = output as Partial<WebAssembly.WebAssemblyInstantiatedSource>;
  const exported = Object.values(instance?.exports ?? (output as WebAssembly.Instance).exports);
  const groups = Object.values((imports ?? {}) as Record<string, Record<string, unknown>>);
  const imported = groups.flatMap((group) => Object.values(group));
  const found = [...exported, ...imported].find((value) => value instanceof WebAssembly.Memory);
  return found ?? null;
}
