/** Where TensorFlow's libraries come from: a wheel file, an environment that has them, or pip. */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { failure } from "./fail.ts";
import type { Host } from "./host.ts";
import { TESTED_TENSORFLOW, type InstallContext, type InstallOptions } from "./install-options.ts";
import { findPython, isAtLeast, withPip, type Python, type PythonTensorflow } from "./python.ts";
import { checkWheel, type Wheel } from "./wheel.ts";

/** TensorFlow's libraries, or the way to them. */
export type TensorflowSource = { readonly version: string; readonly variant: "cpu" | "cuda" } & (
  | { readonly kind: "wheel"; readonly wheel: Wheel; readonly python: Python | null }
  | { readonly kind: "in-place"; readonly python: Python; readonly folder: string }
  | { readonly kind: "pip"; readonly python: Python }
);

/** Oldest version whose wheels have the C API in a library of their own. */
const OLDEST_TENSORFLOW = [2, 12];

/**
 * Decides where TensorFlow comes from; nothing is downloaded.
 * @param pipFolder where a virtual environment is made if the Python has no pip
 * @throws {KernelError} for a wheel, a version or a Python that cannot be used
 */
export async function resolveSource(
  options: InstallOptions,
  { host, reporter }: InstallContext,
  pipFolder: string,
): Promise<TensorflowSource> {
  const variant = options.cuda === true ? "cuda" : "cpu";
  checkVersion(options.tensorflow);
  if (options.wheel !== undefined) {
    const wheel = await fittingWheel(host, options, options.wheel);
    const needsPip = variant === "cuda";
    const python = needsPip
      ? await withPip(host, await findPython(host, options.python), pipFolder)
      : null;
    return { kind: "wheel", wheel, python, version: wheel.version, variant };
  }
  const python = await findPython(host, options.python);
  const own = python.tensorflow;
  if (own !== null && isInvited(host, options)) {
    const problem = misfit(own, options);
    if (problem === null) {
      reporter.note(`TensorFlow ${own.version} of ${python.path} is used in place`);
      return { kind: "in-place", python, folder: own.folder, version: own.version, variant };
    }
    reporter.note(`TensorFlow ${own.version} of ${python.path} is not used: ${problem}`);
  }
  const version = options.tensorflow ?? TESTED_TENSORFLOW;
  return { kind: "pip", python: await withPip(host, python, pipFolder), version, variant };
}

/** pip's name for what is installed. */
export function requirementOf({ version, variant }: TensorflowSource, host: Host): string {
  // Other platforms have one wheel for everybody, which is the one without CUDA.
  const hasCpuWheel = host.platform === "linux" && host.arch === "x64";
  const name = variant === "cpu" && hasCpuWheel ? "tensorflow-cpu" : "tensorflow";
  return `${name}==${version}`;
}

/** An environment is used in place if it was named or is active, not just because it is there. */
function isInvited(host: Host, { python }: InstallOptions): boolean {
  return python !== undefined || Boolean(host.env["VIRTUAL_ENV"]);
}

function misfit(own: PythonTensorflow, options: InstallOptions): string | null {
  const { tensorflow = own.version, cuda = false } = options;
  if (own.version !== tensorflow) return `expected ${tensorflow}`;
  if (!isAtLeast(own.version, OLDEST_TENSORFLOW)) return "expected 2.12 or newer";
  if (cuda && !own.hasCuda) return "expected NVIDIA's packages beside it";
  return existsSync(join(own.folder, "include")) ? null : "expected its folder include";
}

function checkVersion(version: string | undefined): void {
  if (version === undefined) return;
  const isKnown = /^2\.\d+\.\d+\w*$/.test(version) && isAtLeast(version, OLDEST_TENSORFLOW);
  if (isKnown) return;
  throw failure(
    `--tensorflow ${version}`,
    [`a version from 2.12.0 on, such as ${TESTED_TENSORFLOW}`, version],
    "Leave the flag out for the version that is tested.",
  );
}

async function fittingWheel(host: Host, options: InstallOptions, path: string): Promise<Wheel> {
  const wheel = await checkWheel(host, path);
  const { tensorflow = wheel.version, cuda = false } = options;
  if (wheel.version !== tensorflow) {
    throw failure(
      `--wheel ${path}`,
      [`version ${tensorflow}, as --tensorflow says`, wheel.version],
      "Leave one of the two flags out.",
    );
  }
  if (!cuda || !wheel.isCpuOnly) return wheel;
  throw failure(
    `--wheel ${path}`,
    ["a wheel of tensorflow, since --cuda is given", "tensorflow_cpu"],
    "Give the wheel with CUDA, or leave --cuda out.",
  );
}

/** Folder in which a wheel's neighbours may lie. */
export function folderOfWheel({ path }: Wheel): string {
  return dirname(path);
}
