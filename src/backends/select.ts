/** Choice of the backend that TensorFlow.js computes with. */
import * as tf from "@tensorflow/tfjs";
import { KernelError } from "../errors.ts";
import { KERNEL_NAMES, type KernelName } from "../ops/kernel.ts";
import { registerKernels } from "./register.ts";
import { registerWasmKernels, runsCompiledKernels } from "./wasm/register.ts";

/**
 * `auto`: wasm, or cpu where WebAssembly cannot be used. `native`: TensorFlow for Node, which the
 * user must have installed.
 */
export type BackendName = "auto" | "wasm" | "cpu" | "native";

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
   * where the backend was started before our kernels were registered, or there is no SIMD), or `none`.
   */
  readonly execution: "compiled" | "loops" | "none";
  /** Why `auto` did not take wasm; null if it did, or was not asked. */
  readonly notice: string | null;
}

/**
 * Makes a backend the current one and registers our kernels for it. In a browser, tell
 * TensorFlow.js first where its wasm files are: `setWasmPaths` of "@tensorflow/tfjs-backend-wasm".
 * @throws {KernelError} if the backend cannot be used here
 */
export async function selectBackend(name: BackendName): Promise<BackendReport> {
  let notice: string | null = null;
  if (name === "auto") {
    try {
      await useWasm();
    } catch (error) {
      notice = `backend: expected wasm, received cpu: ${reasonOf(error)}`;
      await useCpu();
    }
  } else if (name === "wasm") {
    await useWasm();
  } else if (name === "cpu") {
    await useCpu();
  } else {
    await useNative();
  }
  registerKernels();
  const backend = tf.getBackend();
  const registered = new Set(tf.getKernelsForBackend(backend).map(({ kernelName }) => kernelName));
  return {
    backend,
    kernels: KERNEL_NAMES.filter((kernel) => registered.has(kernel)),
    fallbacks: KERNEL_NAMES.filter((kernel) => !registered.has(kernel)),
    execution: executionOn(backend),
    notice,
  };
}

/** One line on what runs, such as `backend: wasm, 20 compiled kernels, fallbacks: 0`. */
export function describeBackend({ backend, kernels, fallbacks, execution }: BackendReport): string {
  const how = {
    compiled: `${kernels.length} compiled kernels`,
    loops: `${kernels.length} kernels as JavaScript loops`,
    none: "no kernels of ours",
  }[execution];
  const names = fallbacks.length === 0 ? "" : ` (${fallbacks.join(", ")})`;
  return `backend: ${backend}, ${how}, fallbacks: ${fallbacks.length}${names}`;
}

function executionOn(backend: string): BackendReport["execution"] {
  if (backend === "wasm" && runsCompiledKernels(tf.backend())) return "compiled";
  return backend === "wasm" || backend === "cpu" ? "loops" : "none";
}

async function useWasm(): Promise<void> {
  await import("@tensorflow/tfjs-backend-wasm");
  registerWasmKernels();
  await withoutNewProcessHandlers(() => setBackend("wasm"));
}

async function useCpu(): Promise<void> {
  await setBackend("cpu");
  // On its first tensor this backend prints an advertisement of another one.
  (tf.backend() as unknown as { firstUse: boolean }).firstUse = false;
}

async function useNative(): Promise<void> {
  // The package is optional: its name must not be resolved when this file is compiled or bundled.
  const packageName = "@tensorflow/tfjs-node-gpu";
  try {
    await import(/* @vite-ignore */ packageName);
  } catch (error) {
    throw new KernelError(
      `backend "native": expected the package ${packageName}, received none (${reasonOf(error)}). ` +
        `Install it with "npm install ${packageName}", or use the backend "wasm".`,
      { cause: error },
    );
  }
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
