/** Files that are either the old one or the new one, whenever the process dies. */
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { DataError } from "../errors.ts";
import { fileProblem, isFileError } from "./file-error.ts";

const TEMPORARY = /^\..+\.tmp$/;

/**
 * Writes a file under a temporary name in the same directory, syncs it and renames it over `path`.
 * Directories on the way are made. A crash leaves the old file, and perhaps `.<name>.tmp`.
 * @throws {DataError} if the file cannot be written (no permission, full disk …); the old one stays
 */
export function writeFileAtomic(path: string, content: Uint8Array | string): void {
  const directory = dirname(path);
  const temporary = join(directory, `.${basename(path)}.tmp`);
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  try {
    mkdirSync(directory, { recursive: true });
    writeSynced(temporary, bytes);
    renameSync(temporary, path);
  } catch (error) {
    removeIfThere(temporary);
    if (!isFileError(error)) throw error;
    throw new DataError(
      `${path}: expected a file that can be written, received ${fileProblem(error)}. ` +
        "Check the path, its permissions and the space on the disk.",
      { cause: error },
    );
  }
  syncDirectory(directory);
}

function writeSynced(path: string, bytes: Uint8Array): void {
  const file = openSync(path, "w");
  try {
    for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** Best effort: what made writing fail may make removing fail, and the first error is the one to tell. */
function removeIfThere(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // The file stays; the next run removes it.
  }
}

/** Removes what interrupted {@link writeFileAtomic} calls left in a directory. */
export function removeTemporaryFiles(directory: string): void {
  for (const name of readdirSync(directory)) {
    if (TEMPORARY.test(name)) rmSync(join(directory, name), { force: true });
  }
}

/** Makes the rename itself durable; Windows cannot open directories and needs no sync. */
function syncDirectory(directory: string): void {
  if (process.platform === "win32") return;
  const handle = openSync(directory, "r");
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
