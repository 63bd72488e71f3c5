/** Unpacks npm's tarballs. @see https://www.gnu.org/software/tar/manual/html_node/Standard.html */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { gunzipSync } from "node:zlib";
import { FormatError } from "../errors.ts";

const BLOCK = 512;

/**
 * Writes the files of a tarball below a folder, without their first folder (`package/`).
 * @throws {FormatError} if a name leads elsewhere
 */
export function unpackTarball(path: string, folder: string): void {
  const bytes = gunzipSync(readFileSync(path));
  for (let at = 0; at + BLOCK <= bytes.length && bytes[at] !== 0;) {
    const size = Number.parseInt(text(bytes, at + 124, 12), 8);
    const prefix = text(bytes, at + 345, 155);
    const name = `${prefix === "" ? "" : `${prefix}/`}${text(bytes, at, 100)}`;
    const type = text(bytes, at + 156, 1);
    const start = at + BLOCK;
    const inner = name.split("/").slice(1).join("/");
    if (inner.split("/").includes("..")) {
      throw new FormatError(
        `${path}: expected names inside the package, received ${name}. Fetch the file again.`,
      );
    }
    // Other types are folders and attributes, which npm's packages do not need.
    if ((type === "0" || type === "") && inner !== "") {
      const target = join(folder, inner);
      mkdirSync(dirname(target), { recursive: true });
      writeFileSync(target, bytes.subarray(start, start + size));
    }
    at = start + Math.ceil(size / BLOCK) * BLOCK;
  }
}

function text(bytes: Buffer, start: number, length: number): string {
  return bytes
    .toString("utf8", start, start + length)
    .replace(/\0.*$/s, "")
    .trim();
}
