/** `native install`: from nothing to a binding that computes, in steps that can be taken again. */
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import {
  findStock,
  packageFolder,
  type Installation,
  type NativePlace,
} from "../backends/native/installation.ts";
import { packageVersion } from "../recipe/package-version.ts";
import { buildBinding } from "./build-binding.ts";
import { checkPlatform, checkSpace } from "./check-host.ts";
import { askScript } from "./child.ts";
import { findCompiler, type Compiler } from "./compiler.ts";
import { failure } from "./fail.ts";
import type { InstallContext, InstallOptions, InstallReport } from "./install-options.ts";
import { lockPrefix } from "./lock.ts";
import {
  fetchPackages,
  headersOfNode,
  headersOfPackage,
  packageNames,
  unpackPackages,
} from "./npm-packages.ts";
import {
  pointTo,
  prefixOf,
  recordIn,
  removeIfEmpty,
  removeLeftovers,
  writeRecord,
} from "./prefix.ts";
import { resolveSource, type TensorflowSource } from "./tensorflow-source.ts";
import { unpackTensorflow } from "./unpack-tensorflow.ts";

const BINDING = "lib/napi-v8/tfjs_binding.node";

/**
 * Installs TensorFlow for Node in a prefix, or finds that it is there, and verifies it.
 * What was done by a run that was interrupted is not done again.
 * @throws {KernelError} for whatever is missing, before anything is downloaded where that can be
 *   known; the signal's reason when interrupted
 */
export async function installNative(
  options: InstallOptions,
  context: InstallContext,
): Promise<InstallReport> {
  const { host } = context;
  checkPlatform(host, options.cuda === true);
  const prefix = prefixOf(host, options.prefix);
  const release = lockPrefix(prefix);
  try {
    return (
      (await verifyRecorded(prefix, options, context)) ??
      (await verifyStock(prefix, options, context)) ??
      (await installInto(prefix, options, context))
    );
  } finally {
    release();
    removeIfEmpty(prefix);
  }
}

/** Verifies what is recorded, if it is what was asked for; null if it is not, or does not work. */
async function verifyRecorded(
  prefix: string,
  options: InstallOptions,
  context: InstallContext,
): Promise<InstallReport | null> {
  const record = recordIn(prefix);
  if (record === null || !isWanted(record, options)) return null;
  const folder = packageFolder(prefix, record);
  const place = { kind: "recorded", folder, binding: join(folder, BINDING) } as const;
  try {
    const verified = await verify(place, context);
    const pointed = pointTo(context.host, prefix);
    if (pointed !== null) context.reporter.note(pointed);
    return { status: "verified", prefix, package: folder, ...verified, steps: ["verify"] };
  } catch (error) {
    if (context.signal.aborted) throw error;
    context.reporter.note(`${(error as Error).message} Installing again.`);
    // Built anew even from the same libraries.
    rmSync(join(folder, "binding.json"), { force: true });
    return null;
  }
}

function isWanted(record: Installation, options: InstallOptions): boolean {
  const { tensorflow, cuda, python, wheel } = options;
  if (tensorflow !== undefined && record.tensorflow !== tensorflow) return false;
  if (cuda === true && record.variant !== "cuda") return false;
  if (wheel !== undefined && record.wheel !== basename(wheel)) return false;
  return python === undefined || record.python === python;
}

/** A stock package that works is used as it is, unless something certain was asked for. */
async function verifyStock(
  prefix: string,
  options: InstallOptions,
  context: InstallContext,
): Promise<InstallReport | null> {
  const isPlain = Object.values(options).every((value) => value === undefined || value === false);
  const place = isPlain && recordIn(prefix) === null ? findStock() : null;
  if (place === null) return null;
  try {
    const verified = await verify(place, context);
    context.reporter.note(`${place.folder} works and is used as it is`);
    return { status: "stock", prefix: null, package: place.folder, ...verified, steps: ["verify"] };
  } catch (error) {
    if (context.signal.aborted) throw error;
    context.reporter.note(`${place.folder} is not used: ${(error as Error).message}`);
    return null;
  }
}

async function installInto(
  prefix: string,
  options: InstallOptions,
  context: InstallContext,
): Promise<InstallReport> {
  const { host, reporter, signal } = context;
  const compiler = await findCompiler(host);
  const source = await resolveSource(options, context, join(prefix, "python"));
  const site = join(prefix, `tensorflow-${source.version}-${source.variant}`);
  const isThere = source.kind === "in-place" || existsSync(site);
  checkSpace(host, prefix, spaceNeed(source, isThere));
  const steps: string[] = [];
  const headers = headersOfNode(host);
  const downloads = join(prefix, "downloads");
  const folder = await packageStep();
  const libraries = await tensorflowStep();
  await buildStep();
  const place = { kind: "recorded", folder, binding: join(folder, BINDING) } as const;
  const verified = await verify(place, context);
  steps.push("verify");
  finish();
  return { status: "installed", prefix, package: folder, ...verified, steps };

  async function packageStep(): Promise<string> {
    const target = join(prefix, `package-${source.version}-${source.variant}`);
    if (existsSync(target)) return target;
    reporter.note(`fetching ${packageNames(headers === null).join(", ")}`);
    await fetchPackages(host, downloads, headers === null, signal);
    inOneGo(target, (partial) => {
      unpackPackages(downloads, partial, headers === null);
    });
    steps.push("package");
    return target;
  }

  async function tensorflowStep(): Promise<string> {
    if (source.kind === "in-place") return source.folder;
    if (!existsSync(site)) {
      await unpackTensorflow({ source, site, downloads, context });
      steps.push("tensorflow");
    }
    return join(site, "tensorflow");
  }

  async function buildStep(): Promise<void> {
    const nodeHeaders = headers ?? headersOfPackage(folder);
    const runPath = runPathTo(source, libraries, host.platform);
    reporter.note(`building the binding with ${compiler.path}, against ${libraries}`);
    const build = { host, compiler, folder, libraries, runPath, nodeHeaders, signal };
    if (await buildBinding(build)) steps.push("build");
  }

  function finish(): void {
    writeRecord(prefix, recordOf({ source, compiler, folder, libraries, headers, steps }));
    steps.push("record");
    const pointed = pointTo(host, prefix);
    if (pointed !== null) reporter.note(pointed);
    removeLeftovers(prefix, [basename(folder), basename(site)]);
  }
}

interface Made {
  readonly source: TensorflowSource;
  readonly compiler: Compiler;
  readonly folder: string;
  readonly libraries: string;
  readonly headers: string | null;
  readonly steps: readonly string[];
}

function recordOf({ source, compiler, folder, libraries, headers, steps }: Made): Installation {
  return {
    version: 1,
    package: basename(folder),
    tensorflow: source.version,
    variant: source.variant,
    libraries:
      source.kind === "in-place" ? libraries : join(basename(join(libraries, "..")), "tensorflow"),
    is_in_place: source.kind === "in-place",
    python: source.python?.path ?? null,
    wheel: source.kind === "wheel" ? basename(source.wheel.path) : null,
    compiler: compiler.version,
    node_headers: headers ?? "node-api-headers",
    installed_with: `tfjs-qat ${packageVersion()}, Node ${process.versions.node}`,
    installed_at: new Date().toISOString(),
    steps,
  };
}

/** Makes a folder that is there whole or not at all. */
function inOneGo(target: string, make: (partial: string) => void): void {
  const partial = `${target}.partial`;
  rmSync(partial, { recursive: true, force: true });
  mkdirSync(partial, { recursive: true });
  make(partial);
  renameSync(partial, target);
}

function spaceNeed(source: TensorflowSource, isThere: boolean): Parameters<typeof checkSpace>[2] {
  if (isThere) return "besideWheel";
  if (source.variant === "cuda") return "cuda";
  return source.kind === "wheel" ? "fromCpuWheel" : "cpu";
}

/** From the binding to libraries in the same prefix by a relative way, so that it can be moved. */
function runPathTo(source: TensorflowSource, libraries: string, platform: string): string {
  if (source.kind === "in-place") return libraries;
  const here = platform === "darwin" ? "@loader_path" : "$ORIGIN";
  return `${here}/../../../${basename(join(libraries, ".."))}/tensorflow`;
}

/** Loads a package in a process of its own and computes with it. */
async function verify(
  place: NativePlace,
  { host, reporter, signal }: InstallContext,
): Promise<{ tensorflow: string; uses_gpu: boolean }> {
  reporter.note(`verifying: matrix product, fake quantization and its gradient, captured graph`);
  const result = await askScript(host, "verify-process", place, { signal });
  if (result.isOk) {
    const { tensorflow, gpu } = result.value as { tensorflow: string; gpu: boolean };
    return { tensorflow, uses_gpu: gpu };
  }
  throw failure(
    `verification of ${place.folder}`,
    ["TensorFlow to load and compute", result.reason],
    `Run the command again, or try another version with --tensorflow.`,
  );
}
