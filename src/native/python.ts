/** The Python that downloads wheels, and the TensorFlow that it may have already. */
import { join } from "node:path";
import { failure } from "./fail.ts";
import { lastWords, type Host } from "./host.ts";

/** What a Python said of itself. */
export interface Python {
  readonly path: string;
  /** Such as `3.11.7`. */
  readonly version: string;
  /** Version of pip; null if it has none. */
  readonly pip: string | null;
  /** TensorFlow that it would import; null if none. */
  readonly tensorflow: PythonTensorflow | null;
}

/** TensorFlow in a Python environment. */
export interface PythonTensorflow {
  readonly version: string;
  /** The folder `tensorflow` of its site-packages. */
  readonly folder: string;
  /** True if the CUDA wheels are beside it. */
  readonly hasCuda: boolean;
}

/** Oldest Python and pip that can fetch today's wheels. */
const OLDEST = { python: [3, 8], pip: [20, 3] } as const;

const INSTALL = `Install it (Debian: "apt install python3 python3-pip"), give one with --python PATH, or give TensorFlow's wheel with --wheel FILE, which needs no Python.`;

/** Asks without importing TensorFlow, which takes seconds. */
const QUESTION = `
import json, os, sys
from importlib import util
def version(*names):
    from importlib import metadata
    for name in names:
        try: return metadata.version(name)
        except Exception: pass
answer = {"version": ".".join(map(str, sys.version_info[:3]))}
if sys.version_info >= (3, 8):
    answer["pip"] = version("pip")
    found = util.find_spec("tensorflow")
    folders = list(found.submodule_search_locations or []) if found else []
    if folders:
        answer["tensorflow"] = {"version": version("tensorflow-cpu", "tensorflow") or "",
            "folder": folders[0],
            "hasCuda": os.path.isdir(os.path.join(folders[0], "..", "nvidia", "cudnn"))}
print(json.dumps({"pip": None, "tensorflow": None, **answer}))
`;

/**
 * The Python to use: the given one, that of an active virtual environment, `python3` or `python`.
 * @throws {KernelError} if there is none or it is too old
 */
export async function findPython(host: Host, given: string | undefined): Promise<Python> {
  const active = host.env["VIRTUAL_ENV"];
  const candidates =
    given === undefined
      ? [...(active ? [join(active, "bin/python")] : []), "python3", "python"]
      : [given];
  let tooOld: Python | undefined;
  for (const path of candidates) {
    const python = await ask(host, path);
    if (python === null) continue;
    if (isAtLeast(python.version, OLDEST.python)) return python;
    tooOld ??= python;
  }
  const where = given === undefined ? "Python" : `--python ${given}`;
  const expected = `Python ${OLDEST.python.join(".")} or newer`;
  if (tooOld !== undefined) throw failure(where, [expected, tooOld.version], INSTALL);
  const received =
    given === undefined ? "neither python3 nor python" : lastWords(await host.run(given, ["-V"]));
  throw failure(where, [expected, received], INSTALL);
}

async function ask(host: Host, path: string): Promise<Python | null> {
  const ran = await host.run(path, ["-c", QUESTION]);
  const old = /^Python (\S+)/.exec(ran.code === 0 ? "" : (await host.run(path, ["-V"])).stdout);
  if (old !== null) return { path, version: old[1]!, pip: null, tensorflow: null };
  if (ran.code !== 0) return null;
  try {
    return { path, ...(JSON.parse(ran.stdout) as Omit<Python, "path">) };
  } catch {
    return null;
  }
}

/**
 * A Python with pip: this one, or else one of a virtual environment that is made in `folder`.
 * @throws {KernelError} if pip is too old, or there is none and it cannot be had
 */
export async function withPip(host: Host, python: Python, folder: string): Promise<Python> {
  if (python.pip !== null && isAtLeast(python.pip, OLDEST.pip)) return python;
  const made = await host.run(python.path, ["-m", "venv", "--clear", folder]);
  const own = made.code === 0 ? await ask(host, join(folder, "bin/python")) : null;
  if (own?.pip != null && isAtLeast(own.pip, OLDEST.pip)) return own;
  throw failure(
    `pip of ${python.path}`,
    [`pip ${OLDEST.pip.join(".")} or newer, or the module venv`, python.pip ?? "neither"],
    `Install one (Debian: "apt install python3-pip" or "python3-venv"), or give TensorFlow's wheel with --wheel FILE.`,
  );
}

/** True if a dotted version is not below another one. */
export function isAtLeast(version: string, oldest: readonly number[]): boolean {
  const parts = version.split(".").map((part) => Number.parseInt(part, 10));
  for (const [i, least] of oldest.entries()) {
    const part = parts[i] ?? 0;
    if (part !== least) return part > least;
  }
  return true;
}
