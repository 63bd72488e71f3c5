/** The hash that ties the two files of an export together. */
import { createHash } from "node:crypto";

/** SHA-256 in lower-case hexadecimal. */
export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
