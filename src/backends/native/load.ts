/** Loads TensorFlow for Node: what `tfjs-qat native install` has built, or a stock installation. */
import * as tf from "@tensorflow/tfjs";
import { KernelError } from "../../errors.ts";
import {
  findNative,
  missingInstallation,
  nativePrefix,
  nodeProcess,
  type NativePlace,
} from "./installation.ts";

/** How TensorFlow runs. All of it is fixed by the first load in a process. */
export interface NativeOptions {
  /** Threads of one operation, and operations at a time [default: all processors]. */
  readonly threads?: number | undefined;
  /** Whether a GPU's memory is taken as it is needed, not all at once [default: true]. */
  readonly memoryGrowth?: boolean | undefined;
  /**
   * What TensorFlow's own log leaves out: 0 nothing, 1 information, 2 warnings too, 3 all but fatal
   * errors [default: 3].
   */
  readonly logLevel?: 0 | 1 | 2 | 3 | undefined;
}

type Require = (name: string) => unknown;

interface ModuleClass {
  createRequire(path: string): Require;
  _load: (request: string, parent: { filename?: string } | null, isMain: boolean) => unknown;
}

/**
 * Loads the package; afterwards TensorFlow.js has a backend "tensorflow". Where it has one already,
 * nothing happens. Call it on the main thread: TensorFlow does not see settings made in a worker.
 * @param place the package; default: what {@link findNative} finds
 * @throws {KernelError} if there is none, or it cannot be loaded
 */
export function loadNative(options: NativeOptions = {}, place?: NativePlace): void {
  if ((tf.findBackendFactory("tensorflow") as unknown) !== null) return;
  const process = nodeProcess();
  if (process === null) {
    throw new KernelError(
      `backend "native": expected Node, received another host. Use the backend "wasm".`,
    );
  }
  const found = place ?? findNative();
  if (found === null) throw missingInstallation(nativePrefix(process.env));
  applyOptions(options, process.env);
  try {
    loadPackage(found, process.getBuiltinModule.bind(process));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.split("\n")[0]! : String(cause);
    const isOurs = found.kind === "recorded";
    throw new KernelError(
      `backend "native": expected ${found.folder} to load, received "${reason}". ` +
        (isOurs ? `Run "tfjs-qat native install" again` : `Reinstall that package`) +
        `, or use the backend "wasm".`,
      { cause },
    );
  }
}

/** Threads that TensorFlow uses in this process, once it is loaded. */
export function nativeThreads(): number {
  const process = nodeProcess()!;
  const os = process.getBuiltinModule("node:os") as { availableParallelism(): number };
  return Number(process.env["TF_NUM_INTRAOP_THREADS"]) || os.availableParallelism();
}

/** TensorFlow reads its settings from the environment; what the user has set there stays. */
function applyOptions(options: NativeOptions, env: Record<string, string | undefined>): void {
  const { threads, memoryGrowth, logLevel } = options;
  if (logLevel !== undefined) env["TF_CPP_MIN_LOG_LEVEL"] = String(logLevel);
  else env["TF_CPP_MIN_LOG_LEVEL"] ??= "3";
  if (memoryGrowth !== undefined) env["TF_FORCE_GPU_ALLOW_GROWTH"] = String(memoryGrowth);
  else env["TF_FORCE_GPU_ALLOW_GROWTH"] ??= "true";
  if (threads === undefined) return;
  env["TF_NUM_INTRAOP_THREADS"] = String(threads);
  env["TF_NUM_INTEROP_THREADS"] = String(threads);
}

/** Runs the package's main file with our TensorFlow.js in place of one of its own. */
function loadPackage({ folder, binding }: NativePlace, builtin: (name: string) => unknown): void {
  const Module = builtin("node:module") as ModuleClass;
  const util = withOldFunctions(builtin("node:util") as object);
  const ours = Module.createRequire(import.meta.url);
  const original = Module._load;
  Module._load = function (request, parent, isMain) {
    if (parent?.filename?.startsWith(`${folder}/`) === true) {
      if (/^@tensorflow\/tfjs(-core)?$/.test(request)) return ours("@tensorflow/tfjs");
      if (request === "@mapbox/node-pre-gyp") return { find: () => binding };
      if (request === "util") return util;
    }
    return original(request, parent, isMain);
  };
  const theirs = Module.createRequire(`${folder}/package.json`);
  try {
    quietStart(theirs, binding);
    theirs(folder);
  } finally {
    Module._load = original;
  }
}

/** Node's util with what the package calls: one function is gone from Node 23 on, one warns from 22 on. */
function withOldFunctions(util: object): object {
  const isNullOrUndefined = (value: unknown): boolean => value === null || value === undefined;
  return { ...util, isArray: Array.isArray, isNullOrUndefined };
}

/** TensorFlow's libraries print while they are loaded; installations of ours have a quiet way. */
function quietStart(theirs: Require, binding: string): void {
  try {
    theirs(binding.replace(/[^/]*$/, "quiet_start.node"));
  } catch {
    // A stock package: it says what it says.
  }
}
