/** Choice of the backend that TensorFlow.js computes with. */
import * as tf from "@tensorflow/tfjs";
import { ConfigError, KernelError } from "../errors.ts";
import { KERNEL_NAMES, type KernelName } from "../ops/kernel.ts";
import { MAX_THREADS } from "./max-threads.ts";
import { findNative } from "./native/installation.ts";
import { loadNative, nativeThreads, type NativeOptions } from "./native/load.ts";
import { registerKernels } from "./register.ts";
import { registerWasmKernels, runsCompiledKernels } from "./wasm/register.ts";
import { startWithThreads, type ThreadsInUse } from "./wasm/threads/use-threads.ts";

/**
 * `auto`: native where TensorFlow for Node is installed and works, else wasm, or cpu where
 * WebAssembly cannot be used. `native`: TensorFlow for Node, which `tfjs-qat native install` installs.
 */
export type BackendName = "auto" | "wasm" | "cpu" | "native";

/** How a backend computes. */
export interface BackendOptions {
  /**
   * Threads, 1 to {@link MAX_THREADS}. On wasm in Node they run our compiled kernels, with the same results
   * to the last bit [default: 1]; on native they are TensorFlow's [default: all processors].
   */
  readonly threads?: number | undefined;
  /** On native: whether a GPU's memory is taken as it is needed, not all at once [default: true]. */
  readonly memoryGrowth?: boolean | undefined;
  /** On native: what TensorFlow's log leaves out, 0 nothing to 3 all but fatal errors [default: 3]. */
  readonly logLevel?: NativeOptions["logLevel"];
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
  /** Threads that run our kernels, or TensorFlow's. */
  readonly threads: number;
  /** Why something else runs than was asked for: not native but wasm, not several threads but one. */
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
  options: BackendOptions = {},
): Promise<BackendReport> {
  checkThreads(name, options.threads ?? 1);
  const used = await START[name](options);
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

const START: Readonly<Record<BackendName, (options: BackendOptions) => Promise<ThreadsInUse>>> = {
  auto: useBest,
  native: useNative,
  wasm: useWasm,
  cpu: useCpu,
};

/** Native if it is there, else wasm, else cpu; the notice says what was there and did not work. */
async function useBest(options: BackendOptions): Promise<ThreadsInUse> {
  const notices: string[] = [];
  try {
    if (findNative() !== null) return await useNative(options);
  } catch (error) {
    notices.push(`backend: expected native, received wasm: ${reasonOf(error)}`);
  }
  try {
    const used = await useWasm(options);
    return { ...used, notice: joined([...notices, used.notice]) };
  } catch (error) {
    notices.push(`backend: expected wasm, received cpu: ${reasonOf(error)}`);
  }
  await useCpu();
  return { threads: 1, notice: joined(notices) };
}

function joined(notices: readonly (string | null)[]): string | null {
  return notices.filter((notice) => notice !== null).join("\n") || null;
}

async function useWasm({ threads = 1 }: BackendOptions): Promise<ThreadsInUse> {
  await import("@tensorflow/tfjs-backend-wasm");
  registerWasmKernels();
  return startWithThreads(threads, () => withoutNewProcessHandlers(() => setBackend("wasm")));
}

async function useCpu(): Promise<ThreadsInUse> {
  await setBackend("cpu");
  // On its first tensor this backend prints an advertisement of another one.
  (tf.backend() as unknown as { firstUse: boolean }).firstUse = false;
  return { threads: 1, notice: null };
}

async function useNative(options: BackendOptions): Promise<ThreadsInUse> {
  loadNative(options);
  await setBackend("tensorflow");
  const threads = nativeThreads();
  const { threads: wanted = threads } = options;
  const notice =
    wanted === threads
      ? null
      : `threads: expected ${wanted}, received ${threads}: TensorFlow has been started already.`;
  return { threads, notice };
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
