/** The npm packages that the binding is built from and runs with, without their install scripts. */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { failure } from "./fail.ts";
import { lastWords, type Host } from "./host.ts";
import { unpackTarball } from "./tar.ts";

/** A package of exactly one content. */
interface PinnedPackage {
  readonly name: string;
  readonly version: string;
  /** SHA-512 of its tarball in base64. */
  readonly sha512: string;
  /** Where it goes in the package's folder. */
  readonly folder: string;
}

/** The binding's sources and JavaScript. */
const BINDING: PinnedPackage = {
  name: "@tensorflow/tfjs-node-gpu",
  version: "4.22.0",
  sha512:
    "p//NN6DGiN4hInUmIkRffaFVMcdTREUMjPyjW04J7OXvB2zBlQimj61eFKSgRrH3f5TnOfKzb0n56he/B6a4bw==",
  folder: ".",
};

/** What its JavaScript requires; TensorFlow.js it gets from us. */
const REQUIRED: readonly PinnedPackage[] = [
  {
    name: "google-protobuf",
    version: "3.21.4",
    sha512:
      "MnG7N936zcKTco4Jd2PX2U96Kf9PxygAPKBug+74LHzmHXmceN16MmRcdgZv+DGef/S9YvQAfRsNCn4cjf9yyQ==",
    folder: "node_modules/google-protobuf",
  },
  {
    name: "progress",
    version: "2.0.3",
    sha512:
      "7PiHtLll5LdnKIMw100I+8xJXR5gW2QwWYkT6iJva0bXitZKa/XMrSbdmg3r2Xnaidz9Qumd0VPaMrZlF9V9sA==",
    folder: "node_modules/progress",
  },
];

/** Node-API's headers, where the running Node has none beside it. */
const HEADERS: PinnedPackage = {
  name: "node-api-headers",
  version: "1.5.0",
  sha512:
    "Yi/FgnN8IU/Cd6KeLxyHkylBUvDTsSScT0Tna2zTrz8klmc8qF2ppj6Q1LHsmOueJWhigQwR4cO2p0XBGW5IaQ==",
  folder: "node-api-headers",
};

/** The packages, as they are named in `installation.json`. */
export function packageNames(withHeaders: boolean): string[] {
  return wanted(withHeaders).map(({ name, version }) => `${name}@${version}`);
}

/**
 * Fetches the tarballs that are not in `downloads` yet, from npm's cache where it has them.
 * @throws {KernelError} if npm is missing or cannot fetch them
 */
export async function fetchPackages(
  host: Host,
  downloads: string,
  withHeaders: boolean,
  signal: AbortSignal,
): Promise<void> {
  mkdirSync(downloads, { recursive: true });
  const missing = wanted(withHeaders).filter((entry) => !isWhole(downloads, entry));
  if (missing.length === 0) return;
  const partial = join(downloads, "npm.partial");
  rmSync(partial, { recursive: true, force: true });
  mkdirSync(partial);
  const names = missing.map(({ name, version }) => `${name}@${version}`);
  const argv = ["pack", "--ignore-scripts", "--prefer-offline", "--silent"];
  const ran = await host.run("npm", [...argv, "--pack-destination", partial, ...names], {
    cwd: partial,
    signal,
  });
  for (const entry of missing) {
    if (isWhole(partial, entry)) renameSync(fileOf(partial, entry), fileOf(downloads, entry));
  }
  rmSync(partial, { recursive: true, force: true });
  const still = missing.filter((entry) => !isWhole(downloads, entry));
  if (still.length === 0) return;
  throw failure(
    "npm packages",
    [still.map(({ name, version }) => `${name}@${version}`).join(", "), `"${lastWords(ran)}"`],
    `Check npm and the network, or put ${still.map(tarballName).join(", ")} into ${downloads}.`,
  );
}

/** Unpacks the fetched packages as one that Node can load. */
export function unpackPackages(downloads: string, folder: string, withHeaders: boolean): void {
  for (const entry of wanted(withHeaders)) {
    unpackTarball(fileOf(downloads, entry), join(folder, entry.folder));
  }
}

/** Folder of `node_api.h` beside the running Node; null if it came without headers. */
export function headersOfNode({ node }: Host): string | null {
  const folder = join(node.path, "../../include/node");
  return existsSync(join(folder, "node_api.h")) ? folder : null;
}

/** Folder of `node_api.h` in an unpacked package. */
export function headersOfPackage(folder: string): string {
  return join(folder, HEADERS.folder, "include");
}

function wanted(withHeaders: boolean): readonly PinnedPackage[] {
  return [BINDING, ...REQUIRED, ...(withHeaders ? [HEADERS] : [])];
}

/** npm's name of a tarball. */
function tarballName({ name, version }: PinnedPackage): string {
  return `${name.replace(/^@/, "").replace("/", "-")}-${version}.tgz`;
}

function fileOf(folder: string, entry: PinnedPackage): string {
  return join(folder, tarballName(entry));
}

function isWhole(folder: string, entry: PinnedPackage): boolean {
  const path = fileOf(folder, entry);
  if (!existsSync(path)) return false;
  return createHash("sha512").update(readFileSync(path)).digest("base64") === entry.sha512;
}
