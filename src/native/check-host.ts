/** Whether TensorFlow's wheels can run on a machine. */
import { failure } from "./fail.ts";
import type { Host } from "./host.ts";

/** Oldest GNU C library that the wheels of TensorFlow 2.21 run with. */
const OLDEST_GLIBC = [2, 27] as const;

/** Bytes that an installation takes, downloads included while it is made. */
const SPACE = { cpu: 1.4e9, cuda: 9e9, fromCpuWheel: 1.1e9, besideWheel: 0.05e9 };

const ELSEWHERE = `Use the backend "wasm", which runs everywhere.`;

/** @throws {KernelError} for a system, a processor or a C library that has no wheel */
export function checkPlatform({ platform, arch, glibc }: Host, wantsCuda: boolean): void {
  if (platform !== "linux" && platform !== "darwin") {
    throw failure("platform", ["Linux or macOS", `${platform} ${arch}`], ELSEWHERE);
  }
  const isKnown = arch === "arm64" || (arch === "x64" && platform === "linux");
  if (!isKnown) {
    const expected = platform === "linux" ? "a 64-bit processor (x64 or arm64)" : "arm64";
    throw failure(`platform ${platform}`, [expected, arch], ELSEWHERE);
  }
  if (wantsCuda && platform !== "linux") {
    throw failure("--cuda", ["Linux", platform], "Leave --cuda out.");
  }
  if (platform === "darwin") return;
  if (glibc === null) {
    throw failure(
      "C library",
      [`the GNU C library ${OLDEST_GLIBC.join(".")} or newer`, "another one, such as musl"],
      `TensorFlow has no build for it: use a Debian or Ubuntu image, or the backend "wasm".`,
    );
  }
  const [major = 0, minor = 0] = glibc.split(".").map(Number);
  const isNewEnough = major * 1000 + minor >= OLDEST_GLIBC[0] * 1000 + OLDEST_GLIBC[1];
  if (isNewEnough) return;
  throw failure(
    "C library",
    [`the GNU C library ${OLDEST_GLIBC.join(".")} or newer`, glibc],
    `Use a newer system, or the backend "wasm".`,
  );
}

/** What has to be written: the whole, or what is left once TensorFlow's files are there. */
export type SpaceNeed = keyof typeof SPACE;

/** @throws {KernelError} if the disk has not enough room */
export function checkSpace(host: Host, prefix: string, need: SpaceNeed): void {
  const free = host.freeBytes(prefix);
  if (free >= SPACE[need]) return;
  throw failure(
    `disk of ${prefix}`,
    [`${gigabytes(SPACE[need])} free`, gigabytes(free)],
    "Free some space, or choose another disk with --prefix DIR.",
  );
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(2)} GB`;
}
