/**
 * The start of TensorFlow.js' build for shared memory in Node. It is meant for browsers: it would run its
 * own threads from `blob:` addresses, which Node cannot load. Its kernels get one thread here, ours replace
 * the slow ones, so its eight workers are never needed and only have to say that they are ready.
 */
import * as tf from "@tensorflow/tfjs";
import { KernelError } from "../../../errors.ts";

/** TensorFlow.js' flag that chooses the build. */
const FLAG = "WASM_HAS_MULTITHREAD_SUPPORT";

/**
 * Runs `start`; the wasm backend that it starts has shared memory, and one thread of its own.
 * What is changed meanwhile (a flag, the global Worker) is as before afterwards.
 */
export async function withSharedMemory(start: () => Promise<void>): Promise<void> {
  const { setThreadsCount } = await import("@tensorflow/tfjs-backend-wasm");
  const flag = await tf.env().getAsync(FLAG);
  const worker = Object.getOwnPropertyDescriptor(globalThis, "Worker");
  tf.env().set(FLAG, true);
  setThreadsCount(1);
  // The build sets the global Worker to Node's before it uses it.
  Object.defineProperty(globalThis, "Worker", {
    configurable: true,
    get: () => IdleWorker,
    set: () => undefined,
  });
  try {
    await start();
  } finally {
    if (worker === undefined) Reflect.deleteProperty(globalThis, "Worker");
    else Object.defineProperty(globalThis, "Worker", worker);
    setThreadsCount(-1);
    tf.env().set(FLAG, flag);
  }
}

/** Stands for a thread that is loaded and never gets work. */
class IdleWorker {
  onmessage: ((event: { data: unknown }) => void) | null = null;

  constructor(url: string) {
    URL.revokeObjectURL(url);
  }

  postMessage({ cmd }: { readonly cmd: string }): void {
    if (cmd === "load") {
      queueMicrotask(() => this.onmessage?.({ data: { cmd: "loaded" } }));
    } else if (cmd === "run") {
      throw new KernelError(
        `wasm: expected one thread of TensorFlow.js' own, received the start of another. ` +
          `Use one thread.`,
      );
    }
  }

  on(): void {
    // Nothing happens here that could be told.
  }

  unref(): void {
    // There is nothing that keeps the process alive.
  }

  terminate(): void {
    // There is nothing to end.
  }
}
