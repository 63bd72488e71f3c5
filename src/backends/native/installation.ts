/** Where TensorFlow for Node is: what `tfjs-qat native install` recorded, or a stock installation. */
import { KernelError } from "../../errors.ts";

/** What `installation.json` in the prefix says; only the first two fields are needed to load it. */
export interface Installation {
  /** Layout of the file. */
  readonly version: 1;
  /** Folder of the npm package with the built binding, relative to the prefix or absolute. */
  readonly package: string;
  /** Version of TensorFlow, such as `2.21.0`. */
  readonly tensorflow?: string;
  readonly variant?: "cpu" | "cuda";
  /** Folder that holds TensorFlow's libraries. */
  readonly libraries?: string;
  /** True if the libraries belong to a Python environment of the user. */
  readonly is_in_place?: boolean;
  readonly python?: string | null;
  readonly wheel?: string | null;
  readonly compiler?: string;
  readonly node_headers?: string;
  readonly installed_with?: string;
  readonly installed_at?: string;
  /** What was done, in order. */
  readonly steps?: readonly string[];
}

/** A package that can be loaded. */
export interface NativePlace {
  readonly kind: "recorded" | "stock";
  /** The npm package's folder. */
  readonly folder: string;
  /** Its binding. */
  readonly binding: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

interface NodeFiles {
  readonly readFileSync: (path: string, encoding: "utf8") => string;
  readonly existsSync: (path: string) => boolean;
  readonly realpathSync: (path: string) => string;
}

interface NodeModules {
  readonly createRequire: (path: string) => { resolve(name: string): string };
}

interface NodeProcess {
  readonly env: Record<string, string | undefined>;
  cwd(): string;
  getBuiltinModule(name: "node:fs"): NodeFiles;
  getBuiltinModule(name: "node:module"): NodeModules;
  getBuiltinModule(name: string): unknown;
}

const STOCK_PACKAGES = ["@tensorflow/tfjs-node-gpu", "@tensorflow/tfjs-node"];
const STOCK_BINDING = "lib/napi-v8/tfjs_binding.node";

/** Node's process; null in a browser. No import, so that bundles for browsers stay whole. */
export function nodeProcess(): NodeProcess | null {
  const { process } = globalThis as { process?: Partial<NodeProcess> };
  return process?.getBuiltinModule === undefined ? null : (process as NodeProcess);
}

/** The user's data folder of this package: where installations are, unless asked for otherwise. */
export function defaultPrefix({ XDG_DATA_HOME, HOME }: Environment): string {
  return `${XDG_DATA_HOME || `${HOME || "."}/.local/share`}/tfjs-qat/native`;
}

/**
 * Folder of the installation: the environment's TFJS_QAT_NATIVE; else the one that `location.json`
 * in the default folder names, which `native install --prefix` writes; else the default folder.
 */
export function nativePrefix(environment: Environment): string {
  if (environment["TFJS_QAT_NATIVE"]) return environment["TFJS_QAT_NATIVE"];
  const standard = defaultPrefix(environment);
  const text = textOf(`${standard}/location.json`);
  if (text === null) return standard;
  const { prefix } = objectIn(text, `${standard}/location.json`);
  if (typeof prefix === "string" && prefix !== "") return prefix;
  throw new KernelError(
    `${standard}/location.json: expected {"version": 1, "prefix": "<folder>"}, received ${text.trim()}. ` +
      `Remove the file, or run "tfjs-qat native install" again.`,
  );
}

/**
 * The record in a prefix; null where there is none.
 * @throws {KernelError} if the file cannot be understood
 */
export function readInstallation(prefix: string): Installation | null {
  const path = `${prefix}/installation.json`;
  const text = textOf(path);
  if (text === null) return null;
  const record = objectIn(text, path);
  if (record["version"] === 1 && typeof record["package"] === "string") {
    return record as unknown as Installation;
  }
  throw new KernelError(
    `${path}: expected version 1 and the folder of a package, received ${text.trim().slice(0, 80)}. ` +
      `Run "tfjs-qat native install" again.`,
  );
}

/**
 * What would be loaded: the recorded installation, or else a stock package of this program or of
 * the working directory's project; null where there is neither. A record comes first because
 * someone asked for it, and stock packages hold a TensorFlow of 2022.
 * @throws {KernelError} if TFJS_QAT_NATIVE or a record points to nothing usable
 */
export function findNative(): NativePlace | null {
  const process = nodeProcess();
  if (process === null) return null;
  const prefix = nativePrefix(process.env);
  const record = readInstallation(prefix);
  if (record !== null) return recordedPlace(prefix, record);
  if (process.env["TFJS_QAT_NATIVE"]) throw missingInstallation(prefix);
  return findStock();
}

/** The folder of a record's package. */
export function packageFolder(prefix: string, { package: folder }: Installation): string {
  return folder.startsWith("/") ? folder : `${prefix}/${folder}`;
}

/** The error where nothing is installed. */
export function missingInstallation(prefix: string): KernelError {
  return new KernelError(
    `backend "native": expected an installation in ${prefix}, received none. ` +
      `Run "tfjs-qat native install", or use the backend "wasm".`,
  );
}

/** A stock package whose binding is there, seen from the working directory or from this file. */
export function findStock(): NativePlace | null {
  const process = nodeProcess();
  if (process === null) return null;
  const { existsSync, realpathSync } = process.getBuiltinModule("node:fs");
  const { createRequire } = process.getBuiltinModule("node:module");
  for (const from of [`${process.cwd()}/package.json`, import.meta.url]) {
    for (const name of STOCK_PACKAGES) {
      try {
        const file = createRequire(from).resolve(`${name}/package.json`);
        const folder = realpathSync(file.slice(0, -"/package.json".length));
        const binding = `${folder}/${STOCK_BINDING}`;
        if (existsSync(binding)) return { kind: "stock", folder, binding };
      } catch {
        // Not installed there.
      }
    }
  }
  return null;
}

function recordedPlace(prefix: string, record: Installation): NativePlace {
  const { existsSync, realpathSync } = nodeProcess()!.getBuiltinModule("node:fs");
  const folder = packageFolder(prefix, record);
  const binding = `${folder}/${STOCK_BINDING}`;
  if (existsSync(binding)) return { kind: "recorded", folder: realpathSync(folder), binding };
  throw new KernelError(
    `backend "native": expected ${binding}, received no such file. ` +
      `Run "tfjs-qat native install" again.`,
  );
}

function textOf(path: string): string | null {
  try {
    return nodeProcess()?.getBuiltinModule("node:fs").readFileSync(path, "utf8") ?? null;
  } catch {
    return null;
  }
}

function objectIn(text: string, path: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === "object" && value !== null) return value as Record<string, unknown>;
  } catch {
    // The error below says it.
  }
  throw new KernelError(
    `${path}: expected a JSON object, received ${JSON.stringify(text.slice(0, 40))}. ` +
      `Remove the file, and run "tfjs-qat native install" again.`,
  );
}
