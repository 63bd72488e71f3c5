/** One installation at a time in a prefix. */
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { fileProblem, isFileError } from "../data/file-error.ts";
import { failure } from "./fail.ts";

/**
 * Makes the prefix and takes its lock.
 * @returns gives the lock back
 * @throws {KernelError} if the prefix cannot be written or another process holds the lock
 */
export function lockPrefix(prefix: string): () => void {
  const path = join(prefix, ".lock");
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      makeFolder(prefix);
      const file = openSync(path, "wx");
      writeSync(file, String(process.pid));
      closeSync(file);
      return () => {
        rmSync(path, { force: true });
      };
    } catch (error) {
      if (!isFileError(error)) throw error;
      if (error.code !== "EEXIST" || error.syscall !== "open") {
        throw failure(
          `prefix ${prefix}`,
          ["a folder that can be written", fileProblem(error)],
          "Choose another one with --prefix DIR, or change its permissions.",
          { cause: error },
        );
      }
    }
    const holder = Number(textOf(path));
    if (isAlive(holder)) {
      throw failure(
        `prefix ${prefix}`,
        ["no other installation at work", `one of process ${holder}`],
        `Wait for it to end. If it is no installation, remove ${path}.`,
      );
    }
    // Its process is gone: killed in the middle.
    rmSync(path, { force: true });
  }
  throw failure(
    `prefix ${prefix}`,
    ["a lock that can be taken", "one that comes back"],
    `Remove ${path}, and run the command again.`,
  );
}

/** One by one: Node's recursive way never ends in some folders, such as /proc. */
function makeFolder(folder: string): void {
  if (existsSync(folder)) return;
  makeFolder(dirname(folder));
  mkdirSync(folder);
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

function isAlive(pid: number): boolean {
  // Containers give every run the same number: a lock of this process is one of a run before it.
  if (!Number.isInteger(pid) || pid <= 0 || pid === process.pid) return false;
  // Killed, but not yet cleared away by the process that started it.
  if (/^State:\s*[ZX]/m.test(textOf(`/proc/${pid}/status`))) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
