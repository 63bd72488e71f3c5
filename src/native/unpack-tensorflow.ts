/** TensorFlow's libraries and headers, and NVIDIA's libraries, out of wheels into one folder. */
import { mkdirSync, renameSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import type { RunReporter } from "../recipe/run-reporter.ts";
import type { InstallContext } from "./install-options.ts";
import { downloadWheels, wheelsIn } from "./pip-download.ts";
import { folderOfWheel, requirementOf, type TensorflowSource } from "./tensorflow-source.ts";
import { checkWheel, cudaRequirements, unpackMetadata, unpackWheel } from "./wheel.ts";

/** What is unpacked where. */
export interface TensorflowUnpacking {
  readonly source: Exclude<TensorflowSource, { kind: "in-place" }>;
  /** The folder that is made: `tensorflow/`, and `nvidia/` beside it, as in site-packages. */
  readonly site: string;
  readonly downloads: string;
  readonly context: InstallContext;
}

/** Bytes between two steps of the progress bar's figures. */
const MEGABYTE = 1e6;

/** Makes the folder; it is there whole or not at all. */
export async function unpackTensorflow(unpacking: TensorflowUnpacking): Promise<void> {
  const { source, site, context } = unpacking;
  const wheel = source.kind === "wheel" ? source.wheel.path : await download(unpacking);
  const partial = `${site}.partial`;
  rmSync(partial, { recursive: true, force: true });
  mkdirSync(partial, { recursive: true });
  const wheels = [wheel];
  if (source.variant === "cuda") {
    await unpackMetadata(wheel, partial);
    wheels.push(...(await downloadCuda(unpacking, cudaRequirements(partial))));
  }
  for (const path of wheels) {
    await unpackOne(path, partial, context.reporter);
    context.signal.throwIfAborted();
  }
  renameSync(partial, site);
}

async function unpackOne(path: string, folder: string, reporter: RunReporter): Promise<void> {
  const progress = reporter.progress(`unpacking ${basename(path)}`, "MB");
  try {
    await unpackWheel(path, folder, (done, total) => {
      progress.update(Math.round(done / MEGABYTE), Math.round(total / MEGABYTE));
    });
  } finally {
    progress.end();
  }
}

/** @returns the file of TensorFlow's wheel */
async function download({ source, downloads, context }: TensorflowUnpacking): Promise<string> {
  const { host, reporter, signal } = context;
  const requirement = requirementOf(source, host);
  const folder = join(downloads, `tensorflow-${source.version}-${source.variant}`);
  reporter.note(`downloading ${requirement}`);
  const requirements = [requirement];
  const python = source.python!;
  const files = await downloadWheels({ host, python, requirements, folder, reporter, signal });
  const wheel = files.find((path) => /^tensorflow(_cpu)?-/.test(basename(path)))!;
  await checkWheel(host, wheel);
  return wheel;
}

async function downloadCuda(
  { source, downloads, context }: TensorflowUnpacking,
  requirements: readonly string[],
): Promise<string[]> {
  const { host, reporter, signal } = context;
  const folder = join(downloads, `nvidia-${source.version}`);
  const near = source.kind === "wheel" ? { findLinks: folderOfWheel(source.wheel) } : {};
  reporter.note(`downloading NVIDIA's libraries: ${requirements.join(", ")}`);
  const python = source.python!;
  await downloadWheels({ host, python, requirements, folder, reporter, signal, ...near });
  return wheelsIn(folder);
}
