/** Choice of the backend that TensorFlow.js computes with. */
import * as tf from "@tensorflow/tfjs";
import { ConfigError, KernelError } from "../errors.ts";
import { KERNEL_NAMES, type KernelName } from "../ops/kernel.ts";
import { MAX_THREADS } from "./max-threads.ts";
import { loadNative } from "./native/load.ts";
import { registerKernels } from "./register.ts";
import { registerWasmKernels, runsCompiledKernels } from "./wasm/register.ts";
import { startWithThreads, type ThreadsInUse } from "./wasm/threads/use-threads.ts";

/**
 * `auto`: wasm, or cpu where WebAssembly cannot be used. `native`: TensorFlow for Node, which the
 * user must have installed.
 */
export type BackendName = "auto" | "wasm" | "cpu" | "native";

/** How a backend computes. */
export interface BackendOptions {
  /**
   * Threads that run our compiled kernels on wasm in Node, 1 to {@link MAX_THREADS}; default 1. The results
   * are the same to the last bit.
   */
  readonly threads?: number;
}

/** What runs, and how. */
export interface BackendReport {
  /** TensorFlow.js' name of the backend: wasm, cpu or tensorflow. */
  readonly backend: string;
  /** Our operations that run as kernels. */
  readonly kernels: readonly KernelName[];
  /** Our operations that run as compositions of TensorFlow.js' own. */
  readonly fallbacks: readonly KernelName[];
  /**
   * What our kernels are: `compiled` WebAssembly with SIMD, `loops` of JavaScript (on cpu; on wasm
   * where the backend was started before our kernels were registered, or there is no SIMD), TensorFlow's
   * `operations` (on native), or `none`.
   */
  readonly execution: "compiled" | "loops" | "operations" | "none";
  /** Threads that run our kernels. */
  readonly threads: number;
  /** Why something else runs than was asked for: not wasm but cpu, not several threads but one. */
  readonly notice: string | null;
}

/**
 * Makes a backend the current one and registers our kernels for it. In a browser, tell
 * TensorFlow.js first where its wasm files are: `setWasmPaths` of "@tensorflow/tfjs-backend-wasm".
 *
 * Several threads need memory that they share, which wasm can have only from its start on: ask for them
 * the first time that the backend is selected.
 *
 * @throws {KernelError} if the backend cannot be used here; {@link ConfigError} for a number of threads
 *   that it cannot have
 */
export async function selectBackend(
  name: BackendName,
  { threads = 1 }: BackendOptions = {},
): Promise<BackendReport> {
  checkThreads(name, threads);
  let used: ThreadsInUse = { threads: 1, notice: null };
  if (name === "auto") {
    try {
      used = await useWasm(threads);
    } catch (error) {
      used = { threads: 1, notice: `backend: expected wasm, received cpu: ${reasonOf(error)}` };
      await useCpu();
    }
  } else if (name === "wasm") {
    used = await useWasm(threads);
  } else if (name === "cpu") {
    await useCpu();
  } else {
    await useNative(threads);
    used = { threads, notice: null };
  }
  registerKernels();
  const backend = tf.getBackend();
  const registered = new Set(tf.getKernelsForBackend(backend).map(({ kernelName }) => kernelName));
  return {
    backend,
    kernels: KERNEL_NAMES.filter((kernel) => registered.has(kernel)),
    fallbacks: KERNEL_NAMES.filter((kernel) => !registered.has(kernel)),
    execution: executionOn(backend),
    ...used,
  };
}

/** One line on what runs: `backend: wasm, 27 compiled kernels, fallbacks: 0, threads: 1`. */
export function describeBackend(report: BackendReport): string {
  const { backend, kernels, fallbacks, execution, threads } = report;
  const how = {
    compiled: `${kernels.length} compiled kernels`,
    loops: `${kernels.length} kernels as JavaScript loops`,
    operations: `${kernels.length} kernels as TensorFlow operations`,
    none: "no kernels of ours",
  }[execution];
  const names = fallbacks.length === 0 ? "" : ` (${fallbacks.join(", ")})`;
  return `backend: ${backend}, ${how}, fallbacks: ${fallbacks.length}${names}, threads: ${threads}`;
}

function checkThreads(name: BackendName, threads: number): void {
  if (!Number.isInteger(threads) || threads < 1 || threads > MAX_THREADS) {
    throw new ConfigError(
      `threads: expected a whole number from 1 to ${MAX_THREADS}, received ${threads}. ` +
        `Give the number of processors that may be used.`,
    );
  }
  if (threads === 1 || name !== "cpu") return;
  throw new ConfigError(
    `threads: expected 1 with the backend "${name}", received ${threads}. ` +
      `Use the backend "native" or "wasm", or leave threads out.`,
  );
}

function executionOn(backend: string): BackendReport["execution"] {
  if (backend === "wasm" && runsCompiledKernels(tf.backend())) return "compiled";
  if (backend === "tensorflow") return "operations";
  return backend === "wasm" || backend === "cpu" ? "loops" : "none";
}

async function useWasm(threads: number): Promise<ThreadsInUse> {
  await import("@tensorflow/tfjs-backend-wasm");
  registerWasmKernels();
  return startWithThreads(threads, () => withoutNewProcessHandlers(() => setBackend("wasm")));
}

async function useCpu(): Promise<void> {
  await setBackend("cpu");
  // On its first tensor this backend prints an advertisement of another one.
  (tf.backend() as unknown as { firstUse: boolean }).firstUse = false;
}

async function useNative(threads: number): Promise<void> {
  loadNative({ threads });
  await setBackend("tensorflow");
}

async function setBackend(backend: string): Promise<void> {
  const isSet = await tf.setBackend(backend);
  if (isSet) return;
  throw new KernelError(
    `backend "${backend}": expected it to start, received a failure. ` +
      `See the message of TensorFlow.js above, or use another backend.`,
  );
}

type Listener = (...values: unknown[]) => void;

interface ProcessEvents {
  listeners(event: string): Listener[];
  off(event: string, listener: Listener): void;
}

/**
 * Removes the handlers of uncaught errors that the wasm module installs on Node's process when it
 * starts: they would rethrow what the host program handles.
 */
async function withoutNewProcessHandlers(start: () => Promise<void>): Promise<void> {
  const host = (globalThis as { process?: Partial<ProcessEvents> }).process;
  if (host?.listeners === undefined || host.off === undefined) return start();
  const process = host as ProcessEvents;
  const events = ["uncaughtException", "unhandledRejection"];
  const before = events.map((event) => new Set(process.listeners(event)));
  await start();
  events.forEach((event, i) => {
    for (const listener of process.listeners(event)) {
      if (before[i]!.has(listener)) continue;
      process.off(event, listener);
    }
  });
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message.split("\n")[0]! : String(error);
}
