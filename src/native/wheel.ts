/** TensorFlow's wheels: what a file name says, and the few files that are needed of one. */
import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { failure } from "./fail.ts";
import type { Host } from "./host.ts";
import { isAtLeast } from "./python.ts";
import { unpackEntries, zipEntries, type ZipEntry } from "./zip.ts";

/** A wheel file of TensorFlow. */
export interface Wheel {
  readonly path: string;
  readonly version: string;
  /** True for `tensorflow_cpu`, which has no CUDA code. */
  readonly isCpuOnly: boolean;
}

/** The platform's name in a wheel's tag. */
const ARCHITECTURES: Readonly<Record<string, string>> = {
  "linux x64": "x86_64",
  "linux arm64": "aarch64",
  "darwin arm64": "arm64",
};

/** The C and C++ headers that the binding includes, by their folders; the whole is 287 MB. */
const HEADERS =
  /^tensorflow\/include\/(absl|tensorflow\/c|tensorflow\/(core|tsl)\/(platform|c)|tsl\/(platform|c)|xla\/tsl\/(c|platform))\/.*\.(h|inc)$/;
const LIBRARIES = /^tensorflow\/libtensorflow_(cc|framework)\.[^/]*$/;
const CUDA = /^nvidia\/(?!.*\/include\/)/;
const METADATA = /^[^/]+\.dist-info\/(METADATA|LICENSE[^/]*)$/;

/**
 * Checks a wheel by its name and its table of contents. Its Python tag does not matter: no Python
 * loads it.
 * @throws {KernelError} if it is not TensorFlow's or not for this machine; {@link FormatError} if
 *   the file is damaged
 */
export async function checkWheel(host: Host, path: string): Promise<Wheel> {
  const name = basename(path);
  const match = /^(tensorflow|tensorflow_cpu)-(\d+(?:\.\w+)+)-\w+-\w+-([\w.]+)\.whl$/.exec(name);
  if (match === null) {
    throw failure(
      `--wheel ${path}`,
      ["a file such as tensorflow_cpu-2.21.0-cp312-cp312-manylinux_2_27_x86_64.whl", name],
      "Give a wheel of tensorflow or tensorflow_cpu under its own name.",
    );
  }
  const [, distribution, version, platforms] = match;
  checkTags(host, path, platforms!);
  const entries = await entriesOf(path);
  if (!entries.some((entry) => LIBRARIES.test(entry.name))) {
    throw failure(
      `--wheel ${path}`,
      ["libtensorflow_cc inside", "a wheel without it"],
      "Give a wheel of TensorFlow 2.12 or newer.",
    );
  }
  return { path, version: version!, isCpuOnly: distribution === "tensorflow_cpu" };
}

async function entriesOf(path: string): Promise<ZipEntry[]> {
  try {
    return await zipEntries(path);
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "ENOENT") throw cause;
    throw failure(
      `--wheel ${path}`,
      ["a file", "no such file"],
      "Check the path, or leave --wheel out to download one.",
      { cause },
    );
  }
}

/** Compressed tag sets hold several platforms, such as `manylinux_2_17_x86_64.manylinux2014_x86_64`. */
function checkTags({ platform, arch, glibc }: Host, path: string, tags: string): void {
  const machine = ARCHITECTURES[`${platform} ${arch}`];
  const fits = tags.split(".").some((tag) => {
    const isSystem = platform === "darwin" ? tag.startsWith("macosx") : /linux/.test(tag);
    if (machine === undefined || !isSystem || !tag.endsWith(`_${machine}`)) return false;
    const needed = /^manylinux_(\d+)_(\d+)_/.exec(tag);
    return needed === null || isAtLeast(glibc ?? "0", [Number(needed[1]), Number(needed[2])]);
  });
  if (fits) return;
  const here = glibc === null ? `${platform} ${arch}` : `${platform} ${arch} with glibc ${glibc}`;
  throw failure(
    `--wheel ${path}`,
    [`one for ${here}`, `one for ${tags}`],
    "Fetch the wheel of this platform.",
  );
}

/** Unpacks what is needed of a wheel below `folder`. @param onBytes as in {@link unpackEntries} */
export async function unpackWheel(
  path: string,
  folder: string,
  onBytes: (done: number, total: number) => void,
): Promise<void> {
  const needed = (await zipEntries(path)).filter(({ name }) =>
    [HEADERS, LIBRARIES, CUDA, METADATA].some((pattern) => pattern.test(name)),
  );
  const total = needed.reduce((sum, { size }) => sum + size, 0);
  let done = 0;
  await unpackEntries(path, needed, folder, (count) => {
    done += count;
    onBytes(done, total);
  });
}

/** Unpacks only a wheel's description. */
export async function unpackMetadata(path: string, folder: string): Promise<void> {
  const entries = (await zipEntries(path)).filter(({ name }) => METADATA.test(name));
  await unpackEntries(path, entries, folder);
}

/** The CUDA packages that an unpacked TensorFlow asks for, such as `nvidia-cudnn-cu12<10.0,>=9.3`. */
export function cudaRequirements(site: string): string[] {
  const info = readdirSync(site).find((name) => /^tensorflow.*\.dist-info$/.test(name));
  if (info === undefined) return [];
  const text = readFileSync(join(site, info, "METADATA"), "utf8");
  return [...text.matchAll(/^Requires-Dist: (nvidia-[^;]+);.*extra == ["']and-cuda["']/gm)].map(
    (match) => match[1]!.trim().replaceAll(/[() ]/g, ""),
  );
}
