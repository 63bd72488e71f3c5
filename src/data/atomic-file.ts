/** Files that are either the old one or the new one, whenever the process dies. */
import { closeSync, fsyncSync, mkdirSync, openSync, readdirSync, renameSync, rmSync, writeSync } from "node:fs";
import { basename, dirname, join } from "node:path";

const TEMPORARY = /^\..+\.tmp$/;

/**
 * Writes a file under a temporary name in the same directory, syncs it and renames it over `path`.
 * Directories on the way are made. A crash leaves the old file, and perhaps `.<name>.tmp`.
 */
export function writeFileAtomic(path: string, content: Uint8Array | string): void {
  const directory = dirname(path);
  mkdirSync(directory, { recursive: true });
  const temporary = join(directory, `.${basename(path)}.tmp`);
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  const file = openSync(temporary, "w");
  try {
    for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(temporary, path);
  syncDirectory(directory);
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
