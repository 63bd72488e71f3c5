/** Writes an int8 export as a directory that appears whole or not at all. */
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { writeFileAtomic } from "../data/atomic-file.ts";
import { ExportError } from "../errors.ts";
import type { Int8Export } from "./int8.ts";

/** File names of an export. */
export const INT8_TENSORS_FILE = "model.int8.safetensors";
export const INT8_QUANTIZATION_FILE = "quantization.json";

/**
 * Writes the two files of an export and what goes with them under a temporary name, syncs them and
 * renames the directory. An earlier export at the same place is replaced.
 * @param files other files by name: `model_configs.yml`, the vocabulary, the codes
 * @throws {ExportError} if something else than an export is at `directory`
 */
export function saveInt8(
  directory: string,
  exported: Int8Export,
  files: Readonly<Record<string, Uint8Array | string>>,
): void {
  const target = resolve(directory);
  const parent = dirname(target);
  const temporary = join(parent, `.${basename(target)}.tmp`);
  const previous = join(parent, `.${basename(target)}.old`);
  checkReplaceable(target);
  mkdirSync(parent, { recursive: true });
  rmSync(temporary, { recursive: true, force: true });
  try {
    writeParts(temporary, exported, files);
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true });
    throw error;
  }
  rmSync(previous, { recursive: true, force: true });
  if (existsSync(target)) renameSync(target, previous);
  renameSync(temporary, target);
  rmSync(previous, { recursive: true, force: true });
}

/** Writes the files of an export into a directory. */
function writeParts(
  directory: string,
  exported: Int8Export,
  files: Readonly<Record<string, Uint8Array | string>>,
): void {
  for (const [name, content] of Object.entries(files)) {
    if (name !== basename(name) || name.startsWith(".")) {
      throw new ExportError(
        `int8 export: expected plain file names, received "${name}". Give the name alone.`,
      );
    }
    writeFileAtomic(join(directory, name), content);
  }
  writeFileAtomic(join(directory, INT8_TENSORS_FILE), exported.tensors);
  writeFileAtomic(join(directory, INT8_QUANTIZATION_FILE), exported.quantization);
}

function checkReplaceable(target: string): void {
  if (!existsSync(target)) return;
  if (!statSync(target).isDirectory()) {
    throw new ExportError(
      `${target}: expected a directory or a new path, received a file. Choose another path.`,
    );
  }
  const entries = readdirSync(target);
  if (entries.length === 0 || entries.includes(INT8_QUANTIZATION_FILE)) return;
  throw new ExportError(
    `${target}: expected a new or empty directory or an earlier export, received a directory ` +
      `with "${entries[0]!}". Choose another directory.`,
  );
}
