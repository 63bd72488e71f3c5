/** Loads TensorFlow for Node: what `tfjs-qat native install` has built, or a stock installation. */
import * as tf from "@tensorflow/tfjs";
import { KernelError } from "../../errors.ts";

/** How TensorFlow runs. All of it is fixed by the first load in a process. */
export interface NativeOptions {
  /** Threads of one operation, and operations at a time [default: all processors]. */
  readonly threads?: number | undefined;
  /** Whether a GPU's memory is taken as it is needed, not all at once [default: true]. */
  readonly memoryGrowth?: boolean | undefined;
  /** What TensorFlow's own log leaves out: 0 nothing … 3 all but fatal errors [default: 3]. */
  readonly logLevel?: 0 | 1 | 2 | 3 | undefined;
}

type Require = ((name: string) => unknown) & { resolve(name: string): string };

interface ModuleClass {
  createRequire(path: string): Require;
  _load: (
    this: void,
    request: string,
    parent: { filename?: string } | null,
    isMain: boolean,
  ) => unknown;
}

interface Files {
  readFileSync(path: string, encoding: "utf8"): string;
  realpathSync(path: string): string;
}

/** Folder of the installation: the environment's TFJS_QAT_NATIVE, or the user's data folder. */
export function nativePrefix(environment: Record<string, string | undefined>): string {
  const { TFJS_QAT_NATIVE, XDG_DATA_HOME, HOME = "." } = environment;
  if (TFJS_QAT_NATIVE) return TFJS_QAT_NATIVE;
  return `${XDG_DATA_HOME || `${HOME}/.local/share`}/tfjs-qat/native`;
}

/** Loads the package; afterwards TensorFlow.js has a backend "tensorflow". */
export function loadNative(options: NativeOptions = {}): void {
  if ((tf.findBackendFactory("tensorflow") as unknown) !== null) return;
  const { process } = globalThis as unknown as {
    process: {
      env: Record<string, string | undefined>;
      getBuiltinModule(name: string): unknown;
    };
  };
  const { env } = process;
  env.TF_CPP_MIN_LOG_LEVEL ??= String(options.logLevel ?? 3);
  env.TF_FORCE_GPU_ALLOW_GROWTH ??= String(options.memoryGrowth ?? true);
  if (options.threads !== undefined) {
    env.TF_NUM_INTRAOP_THREADS = String(options.threads);
    env.TF_NUM_INTEROP_THREADS = String(options.threads);
  }
  const util = process.getBuiltinModule("node:util") as Record<string, unknown>;
  // Gone from Node 23 on; the package still calls it.
  util.isNullOrUndefined ??= (value: unknown) => value === null || value === undefined;
  const prefix = nativePrefix(env);
  const fs = process.getBuiltinModule("node:fs") as Files;
  const Module = process.getBuiltinModule("node:module") as ModuleClass;
  let text: string;
  try {
    text = fs.readFileSync(`${prefix}/installation.json`, "utf8");
  } catch (cause) {
    throw new KernelError(
      `backend "native": expected an installation in ${prefix}, received none. ` +
        `Run "tfjs-qat native install", or use the backend "wasm".`,
      { cause },
    );
  }
  const folder = `${prefix}/${(JSON.parse(text) as { package: string }).package}`;
  loadPackage(fs.realpathSync(folder), Module);
}

/** Runs the package's main file with our TensorFlow.js in place of one of its own. */
function loadPackage(folder: string, Module: ModuleClass): void {
  const ours = Module.createRequire(import.meta.url);
  const original = Module._load;
  Module._load = function (request, parent, isMain) {
    if (parent?.filename?.startsWith(folder) === true) {
      if (/^@tensorflow\/tfjs(-core)?$/.test(request)) return ours("@tensorflow/tfjs");
      if (request === "@mapbox/node-pre-gyp") {
        return { find: () => `${folder}/lib/napi-v8/tfjs_binding.node` };
      }
    }
    return original(request, parent, isMain);
  };
  try {
    Module.createRequire(`${folder}/package.json`)(folder);
  } finally {
    Module._load = original;
  }
}
