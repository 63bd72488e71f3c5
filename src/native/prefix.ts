/** The files of an installation. */
import { existsSync, readdirSync, rmdirSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import {
  defaultPrefix,
  nativePrefix,
  readInstallation,
  type Installation,
} from "../backends/native/installation.ts";
import { writeFileAtomic } from "../data/atomic-file.ts";
import type { Host } from "./host.ts";

/** Names in a prefix that are ours; nothing else is ever removed. */
const OURS =
  /^(installation\.json|location\.json|\.installation\.json\.tmp|\.location\.json\.tmp|\.lock|downloads|python|(tensorflow|package)-[\w.-]+)$/;

/** The absolute prefix: the given one, or that in use. */
export function prefixOf(host: Host, given: string | undefined): string {
  return resolve(given ?? nativePrefix(host.env));
}

/** The record of a prefix; null also if it cannot be understood, since it is written anew. */
export function recordIn(prefix: string): Installation | null {
  try {
    return readInstallation(prefix);
  } catch {
    return null;
  }
}

/** Records an installation: from now on it is one. */
export function writeRecord(prefix: string, record: Installation): void {
  writeFileAtomic(join(prefix, "installation.json"), `${JSON.stringify(record, null, 2)}\n`);
}

/**
 * Makes other runs find a prefix that is not the default one: a pointer in the default folder,
 * unless the environment says it already.
 * @returns a line to show, or null
 */
export function pointTo(host: Host, prefix: string): string | null {
  const standard = resolve(defaultPrefix(host.env));
  const pointer = join(standard, "location.json");
  if (host.env["TFJS_QAT_NATIVE"]) {
    if (resolve(host.env["TFJS_QAT_NATIVE"]) === prefix) return null;
    return `TFJS_QAT_NATIVE names ${host.env["TFJS_QAT_NATIVE"]}: change it to ${prefix} to use this installation`;
  }
  if (prefix === standard) {
    rmSync(pointer, { force: true });
    return null;
  }
  try {
    writeFileAtomic(pointer, `${JSON.stringify({ version: 1, prefix })}\n`);
    return `${pointer} points to ${prefix}`;
  } catch {
    return `${pointer} cannot be written: set TFJS_QAT_NATIVE=${prefix} to use this installation`;
  }
}

/** Removes the pointer if it leads to a prefix. @returns true if it did */
export function removePointer(host: Host, prefix: string): boolean {
  const pointer = join(defaultPrefix(host.env), "location.json");
  if (!existsSync(pointer)) return false;
  const pointed = resolve(nativePrefix({ ...host.env, TFJS_QAT_NATIVE: undefined }));
  if (pointed !== prefix) return false;
  rmSync(pointer);
  return true;
}

/** Removes what an installation does not need any more: downloads, and other versions. */
export function removeLeftovers(prefix: string, keep: readonly string[]): void {
  for (const name of readdirSync(prefix)) {
    if (keep.includes(name) || !/^(downloads|python|(tensorflow|package)-)/.test(name)) continue;
    rmSync(join(prefix, name), { recursive: true, force: true });
  }
}

/** Removes our files of a prefix, and the folder if nothing else is in it. @returns their names */
export function removePrefix(prefix: string): string[] {
  const names = existsSync(prefix) ? readdirSync(prefix).filter((name) => OURS.test(name)) : [];
  // The record first: what is half removed is no installation.
  for (const name of names.sort((a, b) => a.length - b.length).sort(recordFirst)) {
    rmSync(join(prefix, name), { recursive: true, force: true });
  }
  removeIfEmpty(prefix);
  return names.filter((name) => name !== ".lock");
}

/** Removes an empty folder. */
export function removeIfEmpty(folder: string): void {
  try {
    if (readdirSync(folder).length === 0) rmdirSync(folder);
  } catch {
    // It is not there, or not ours to remove.
  }
}

function recordFirst(a: string, b: string): number {
  return Number(b === "installation.json") - Number(a === "installation.json");
}
