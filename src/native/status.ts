/** `native status` and `native remove`. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import {
  findStock,
  packageFolder,
  readInstallation,
  type Installation,
} from "../backends/native/installation.ts";
import type { Host } from "./host.ts";
import { lockPrefix } from "./lock.ts";
import { prefixOf, removePointer, removePrefix } from "./prefix.ts";

/** What is installed where. */
export interface NativeStatus {
  readonly prefix: string;
  /** `incomplete`: recorded, but a file is missing. */
  readonly status: "installed" | "incomplete" | "stock" | "absent";
  /** Folder of the package that would be loaded; null if none. */
  readonly package: string | null;
  /** Files that should be there and are not. */
  readonly missing: readonly string[];
  readonly installation: Installation | null;
}

/** Reads what is recorded in a prefix; nothing is loaded. @throws {KernelError} for a broken record */
export function nativeStatus(host: Host, given?: string): NativeStatus {
  const prefix = prefixOf(host, given);
  const installation = readInstallation(prefix);
  if (installation === null) {
    const stock = given === undefined ? findStock() : null;
    const status = stock === null ? "absent" : "stock";
    return { prefix, status, package: stock?.folder ?? null, missing: [], installation };
  }
  const folder = packageFolder(prefix, installation);
  const needed = [join(folder, "lib/napi-v8/tfjs_binding.node")];
  const { libraries } = installation;
  if (libraries !== undefined) {
    needed.push(libraries.startsWith("/") ? libraries : join(prefix, libraries));
  }
  const missing = needed.filter((path) => !existsSync(path));
  const status = missing.length === 0 ? "installed" : "incomplete";
  return { prefix, status, package: folder, missing, installation };
}

/** What was removed. */
export interface RemoveReport {
  readonly prefix: string;
  /** Names in the prefix; empty where nothing was there. */
  readonly removed: readonly string[];
}

/**
 * Removes an installation, or what is left of one; files that are not ours stay.
 * @throws {KernelError} while an installation is at work there
 */
export function removeNative(host: Host, given?: string): RemoveReport {
  const prefix = prefixOf(host, given);
  removePointer(host, prefix);
  if (!existsSync(prefix)) return { prefix, removed: [] };
  lockPrefix(prefix);
  return { prefix, removed: removePrefix(prefix) };
}
