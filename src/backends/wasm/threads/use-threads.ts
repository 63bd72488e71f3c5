/** How many threads the wasm backend computes with. */
import * as tf from "@tensorflow/tfjs";
import { KernelError } from "../../../errors.ts";
import { hasBackendStarted, threadsOf } from "../backend-start.ts";
import type { WasmBackend } from "../memory.ts";
import { nodeWorkerClass } from "./node-host.ts";
import { withSharedMemory } from "./shared-start.ts";

/** What was possible. */
export interface ThreadsInUse {
  readonly threads: number;
  /** Why there are fewer than were asked for; null if there are not. */
  readonly notice: string | null;
}

/**
 * Starts the wasm backend, if it has not started, so that `threads` can compute with it, and makes them.
 * Where that is not possible one thread computes.
 *
 * @param start makes the wasm backend the current one
 */
export async function startWithThreads(
  threads: number,
  start: () => Promise<void>,
): Promise<ThreadsInUse> {
  const wasStarted = hasBackendStarted();
  const needsSharedMemory = threads > 1 && !wasStarted && nodeWorkerClass() !== null;
  await (needsSharedMemory ? withSharedMemory(start) : start());
  const own = threadsOf(tf.backend() as unknown as WasmBackend);
  if (own === null)
    return threads === 1 ? { threads, notice: null } : oneThread(threads, reasonOf(wasStarted));
  try {
    await own.use(threads);
  } catch (error) {
    if (!(error instanceof KernelError)) throw error;
    return oneThread(threads, error.message);
  }
  return { threads, notice: null };
}

function oneThread(wanted: number, reason: string): ThreadsInUse {
  return { threads: 1, notice: `threads: expected ${wanted}, received 1: ${reason}` };
}

function reasonOf(wasStarted: boolean): string {
  if (nodeWorkerClass() === null) return "they need Node and its worker_threads.";
  if (!wasStarted) return "the wasm backend did not start with shared memory.";
  return (
    "the wasm backend had started before with memory of one thread. " +
    "Ask for threads when it is first selected."
  );
}
