/** What tells whether two files are the same. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { DataError } from "../errors.ts";
import { fileProblem, isFileError } from "./file-error.ts";

/**
 * SHA-256 of a file, lower-case hexadecimal.
 * @throws {DataError} if it cannot be read
 */
export async function fileHash(path: string): Promise<string> {
  const hash = createHash("sha256");
  try {
    for await (const chunk of createReadStream(path)) hash.update(chunk as Uint8Array);
  } catch (error) {
    if (!isFileError(error)) throw error;
    throw new DataError(
      `${path}: expected a file that can be read, received ${fileProblem(error)}. Check the path.`,
      { cause: error },
    );
  }
  return hash.digest("hex");
}
