/** Wheels fetched by pip, whose settings of index, mirror, proxy and certificates apply. */
import { existsSync, mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import type { RunReporter } from "../recipe/run-reporter.ts";
import { failure } from "./fail.ts";
import { lastWords, type Host } from "./host.ts";
import type { Python } from "./python.ts";
import { zipEntries } from "./zip.ts";

/** A download of wheels. */
export interface PipDownload {
  readonly host: Host;
  readonly python: Python;
  /** Requirements, such as `tensorflow-cpu==2.21.0`. */
  readonly requirements: readonly string[];
  /** Where the wheels go; whole ones that are there are not fetched again. */
  readonly folder: string;
  /** A folder to look in before the index. */
  readonly findLinks?: string;
  readonly reporter: RunReporter;
  readonly signal: AbortSignal;
}

/** TensorFlow has wheels of 3.12 from 2.16 on, of 3.10 before; which one does not matter here. */
const PYTHON_TAGS = ["3.12", "3.10"] as const;

const MEGABYTE = 1e6;
/** Milliseconds between two looks at what has come. */
const LOOK_INTERVAL = 500;

/**
 * Fetches wheels without what they depend on.
 * @returns the wheel files in the folder
 * @throws {KernelError} with pip's words if that fails
 */
export async function downloadWheels(download: PipDownload): Promise<string[]> {
  const { host, python, folder, requirements, findLinks, signal } = download;
  mkdirSync(folder, { recursive: true });
  await removeDamaged(folder);
  const temporary = join(folder, "pip.partial");
  const attempts = PYTHON_TAGS.map((tag) => ["--python-version", tag]);
  const links = findLinks === undefined ? [] : ["--find-links", findLinks];
  if (findLinks !== undefined) attempts.unshift([...attempts[0]!, "--no-index"]);
  let said = "";
  try {
    for (const attempt of attempts) {
      rmSync(temporary, { recursive: true, force: true });
      mkdirSync(temporary);
      const watch = watchDownload(download, temporary);
      const common = ["--no-deps", "--only-binary=:all:", "--progress-bar=off", "--dest", folder];
      const argv = ["-m", "pip", "download", ...common, ...links, ...attempt, ...requirements];
      const env = { TMPDIR: temporary, PIP_DISABLE_PIP_VERSION_CHECK: "1", PYTHONUNBUFFERED: "1" };
      const ran = await host
        .run(python.path, argv, { env, signal, onText: watch.hear })
        .finally(watch.end);
      if (ran.code === 0) return wheelsIn(folder);
      said = ran.killedBy === null ? pipError(ran.stderr || ran.stdout) : lastWords(ran);
      if (!/no matching distribution|from versions/i.test(ran.stderr)) break;
    }
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
  throw failure(
    `pip download ${requirements.join(" ")}`,
    ["a wheel", `"${said}"`],
    "Check the version and the network (the next run goes on from here), or give the file with --wheel FILE.",
  );
}

/** The wheel files of a folder. */
export function wheelsIn(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => name.endsWith(".whl"))
    .map((name) => join(folder, name));
}

/** pip would take a file that was cut off for a whole one. */
async function removeDamaged(folder: string): Promise<void> {
  for (const path of wheelsIn(folder)) {
    await zipEntries(path).catch(() => {
      rmSync(path);
    });
  }
}

/** The line of pip's output that says what is wrong. */
function pipError(text: string): string {
  const lines = text.trim().split("\n");
  const errors = lines.filter((line) => /error/i.test(line));
  return (errors.at(-1) ?? lines.at(-1) ?? "").replace(/^ERROR: /, "").slice(0, 300);
}

/** Shows how much has come: pip says each file's size, and writes it where we look. */
function watchDownload(
  { requirements, reporter }: PipDownload,
  temporary: string,
): { hear: (text: string) => void; end: () => void } {
  const label = requirements.length === 1 ? requirements[0]! : `${requirements.length} wheels`;
  const progress = reporter.progress(label, "MB");
  let [done, expected] = [0, 0];
  const timer = setInterval(() => {
    // Whole files move away.
    done = Math.max(done, Math.round(sizeOf(temporary) / MEGABYTE));
    if (expected > 0 || done > 0) progress.update(done, Math.max(Math.round(expected), done));
  }, LOOK_INTERVAL);
  return {
    hear: (text) => {
      for (const [, size, unit] of text.matchAll(/Downloading .*\(([\d.]+) ?([kMG])B\)/g)) {
        expected += Number(size) * { k: 1e-3, M: 1, G: 1e3 }[unit as "k" | "M" | "G"];
      }
    },
    end: () => {
      clearInterval(timer);
      progress.end();
    },
  };
}

/** Bytes of the files below a folder, which may come and go meanwhile. */
function sizeOf(folder: string): number {
  let sum = 0;
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    sum += statSync(join(entry.parentPath, entry.name), { throwIfNoEntry: false })?.size ?? 0;
  }
  return sum;
}
