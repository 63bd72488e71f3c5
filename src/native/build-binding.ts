/** Compiles TensorFlow.js' binding against the libraries of a wheel, with nothing but a compiler. */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import { writeFileAtomic } from "../data/atomic-file.ts";
import type { Compiler } from "./compiler.ts";
import { failure } from "./fail.ts";
import { lastWords, type Host } from "./host.ts";
import { LOG_LEVEL_SOURCE, QUIET_START_SOURCE } from "./log-sources.ts";

/** What a binding is built from. */
export interface BindingBuild {
  readonly host: Host;
  readonly compiler: Compiler;
  /** The npm package's folder; the binding goes into its `lib/napi-v8`. */
  readonly folder: string;
  /** The wheel's folder `tensorflow`. */
  readonly libraries: string;
  /** Where the binding looks for the libraries: absolute, or from its own folder (`$ORIGIN`). */
  readonly runPath: string;
  /** Folder of `node_api.h`. */
  readonly nodeHeaders: string;
  readonly signal: AbortSignal;
}

/** Version of Node-API: every Node from 12.22 on has it, so one binding serves all of them. */
const NODE_API = 8;

/**
 * Builds the binding, unless the one that is there was built from the same.
 * @returns true if it was built now
 * @throws {KernelError} with the compiler's words
 */
export async function buildBinding(build: BindingBuild): Promise<boolean> {
  const { host, compiler, folder, libraries, runPath, nodeHeaders } = build;
  const isMac = host.platform === "darwin";
  const target = join(folder, "lib/napi-v8/tfjs_binding.node");
  const record = join(folder, "binding.json");
  const from = { compiler: compiler.version, libraries, runPath, nodeHeaders, NODE_API };
  const made = JSON.stringify(from, null, 2);
  if (existsSync(target) && existsSync(record) && readFileSync(record, "utf8") === made) {
    return false;
  }
  mkdirSync(join(folder, "lib/napi-v8"), { recursive: true });
  writeFileSync(join(folder, "binding/log_level.cc"), LOG_LEVEL_SOURCE);
  writeFileSync(join(folder, "binding/quiet_start.cc"), QUIET_START_SOURCE);
  const [cc, framework] = librariesIn(libraries);
  const sources = ["tfjs_backend", "tfjs_binding", "log_level"];
  await compile(build, "tfjs_binding", sources, [cc!, framework!]);
  const name = `-DFRAMEWORK="${basename(framework!)}"`;
  await compile(build, "quiet_start", ["quiet_start"], [name, ...(isMac ? [] : ["-ldl"])]);
  writeFileAtomic(record, made);
  return true;
}

/** Compiles an addon of Node: the file is there whole or not at all. */
async function compile(
  build: BindingBuild,
  name: string,
  sources: readonly string[],
  parts: readonly string[],
): Promise<void> {
  const { host, compiler, folder, libraries, runPath, nodeHeaders, signal } = build;
  const target = join(folder, `lib/napi-v8/${name}.node`);
  const argv = [
    ...["-std=c++17", "-O2", "-shared", "-fPIC", `-DNAPI_VERSION=${NODE_API}`],
    ...["-DBUILDING_NODE_EXTENSION", `-I${nodeHeaders}`, `-I${join(libraries, "include")}`],
    ...sources.map((source) => `binding/${source}.cc`),
    ...parts,
    `-Wl,-rpath,${runPath}`,
    // Node's own functions are known when it loads an addon; the linker of Linux takes that for granted.
    ...(host.platform === "darwin" ? ["-undefined", "dynamic_lookup"] : []),
    ...["-o", `${target}.partial`],
  ];
  const ran = await host.run(compiler.path, argv, { cwd: folder, signal });
  if (ran.code !== 0) {
    const errors = ran.stderr.split("\n").filter((line) => /error|undefined|cannot/i.test(line));
    throw failure(
      `${compiler.path} (${compiler.version})`,
      [`the binding in ${folder}`, `"${errors[0] ?? lastWords(ran)}"`],
      "Try another compiler with the environment variable CXX, or another version with --tensorflow.",
    );
  }
  renameSync(`${target}.partial`, target);
}

/** The two libraries with the C API. @throws {KernelError} if they are not there */
export function librariesIn(folder: string): string[] {
  const names = existsSync(folder) ? readdirSync(folder) : [];
  return ["cc", "framework"].map((part) => {
    const pattern = new RegExp(`^libtensorflow_${part}\\.(so\\.\\d+|\\d+\\.dylib)$`);
    const name = names.find((entry) => pattern.test(entry));
    if (name !== undefined) return join(folder, name);
    throw failure(
      folder,
      [`TensorFlow's library libtensorflow_${part}`, "a folder without it"],
      `Run "tfjs-qat native install" again, or use TensorFlow 2.12 or newer.`,
    );
  });
}
