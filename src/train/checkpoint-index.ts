/** The file `checkpoint` of a directory: which checkpoints count. Writing it is the commit. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { writeFileAtomic } from "../data/atomic-file.ts";
import { FormatError } from "../errors.ts";
import { parseJson } from "../formats/json.ts";

/** Name of the index in its directory. */
export const INDEX_NAME = "checkpoint";

const fileName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/);

const indexSchema = z.strictObject({
  version: z.literal(1),
  checkpoints: z.array(
    z.strictObject({ name: fileName, step: z.int().min(0), score: z.number().optional() }),
  ),
  obsolete: z.array(fileName),
  logs: z.record(z.string(), z.int().min(0)),
});

/** One checkpoint of a directory. */
export type CheckpointEntry = Readonly<z.output<typeof indexSchema>["checkpoints"][number]>;

/** What an index says. */
export interface CheckpointIndex {
  /** Oldest or worst first: the last one is what a reader of the directory takes. */
  readonly checkpoints: readonly CheckpointEntry[];
  /** Names of checkpoints that no longer count; their files are deleted after the commit. */
  readonly obsolete: readonly string[];
  /** Committed length in bytes of each log file, by path relative to the directory. */
  readonly logs: Readonly<Record<string, number>>;
}

/**
 * The index of a directory, or null if there is none.
 * @throws {FormatError} if the file is not an index of this version
 */
export function readIndex(directory: string): CheckpointIndex | null {
  const path = join(directory, INDEX_NAME);
  if (!existsSync(path)) return null;
  const parsed = indexSchema.safeParse(parseJson(readFileSync(path, "utf8"), path));
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  throw new FormatError(
    `${path}: expected a checkpoint index of version 1, received another value at ` +
      `"${issue.path.join(".")}" (${issue.message}). Restore the file from a copy.`,
  );
}

/** Replaces the index of a directory. */
export function writeIndex(directory: string, index: CheckpointIndex): void {
  const json = JSON.stringify({ version: 1, ...index }, null, 2);
  writeFileAtomic(join(directory, INDEX_NAME), `${json}\n`);
}
