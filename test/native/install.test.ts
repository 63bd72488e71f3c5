import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { KernelError } from "../../src/errors.ts";
import type { Host } from "../../src/native/host.ts";
import type { InstallOptions } from "../../src/native/install-options.ts";
import { installNative } from "../../src/native/install.ts";
import { nativeStatus, removeNative } from "../../src/native/status.ts";
import { SILENT } from "../../src/recipe/run-reporter.ts";
import { fakeHost, HEALTHY, pythonAnswer, type FakeProgram } from "./fake-host.ts";
import { writeZip } from "./write-zip.ts";

const WHEEL = "tensorflow_cpu-2.21.0-cp312-cp312-manylinux_2_27_x86_64.whl";

let root = "";
let prefix = "";
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), "native-"));
});
beforeEach(() => {
  prefix = mkdtempSync(join(root, "prefix-"));
  vi.stubEnv("TFJS_QAT_NATIVE", "");
  vi.stubEnv("XDG_DATA_HOME", join(root, "data"));
});
afterEach(() => {
  vi.unstubAllEnvs();
});
afterAll(() => {
  rmSync(root, { recursive: true });
});

function install(host: Host, options: InstallOptions = {}): ReturnType<typeof installNative> {
  const { signal } = new AbortController();
  return installNative({ prefix, ...options }, { host, reporter: SILENT, signal });
}

function wheel(name = WHEEL, files?: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(root, "wheel-"));
  return writeZip(
    join(folder, name),
    files ?? {
      "tensorflow/libtensorflow_cc.so.2": "cc",
      "tensorflow/libtensorflow_framework.so.2": "framework",
      "tensorflow/python/unneeded.py": "",
    },
  );
}

/** Every program counts as a download that was started. */
function offline(programs: Readonly<Record<string, FakeProgram>> = HEALTHY): Host {
  return fakeHost({ ...programs, npm: () => ({ code: 1, stderr: "no network" }) });
}

describe("what is missing", () => {
  const cases: [string, Host, InstallOptions, RegExp][] = [
    [
      "Windows",
      fakeHost(HEALTHY, { platform: "win32" }),
      {},
      /^platform: expected Linux or macOS, received win32 x64\. Use the backend "wasm"/,
    ],
    [
      "32 bits",
      fakeHost(HEALTHY, { arch: "ia32" }),
      {},
      /^platform linux: expected a 64-bit processor \(x64 or arm64\), received ia32\./,
    ],
    [
      "musl",
      fakeHost(HEALTHY, { glibc: null }),
      {},
      /^C library: expected the GNU C library 2\.27 or newer, received another one, such as musl\./,
    ],
    [
      "an old C library",
      fakeHost(HEALTHY, { glibc: "2.17" }),
      {},
      /^C library: expected the GNU C library 2\.27 or newer, received 2\.17\./,
    ],
    [
      "CUDA on macOS",
      fakeHost(HEALTHY, { platform: "darwin", arch: "arm64" }),
      { cuda: true },
      /^--cuda: expected Linux, received darwin\. Leave --cuda out\./,
    ],
    [
      "no compiler",
      fakeHost({ python3: HEALTHY["python3"]! }),
      {},
      /^C\+\+ compiler: expected one that compiles C\+\+17, received none of g\+\+, c\+\+, clang\+\+\. Install one/,
    ],
    [
      "a compiler without its headers",
      fakeHost({
        ...HEALTHY,
        "g++": ([first]) =>
          first === "--version" ? { stdout: "g++ 4.8" } : { code: 1, stderr: "no <optional>" },
      }),
      {},
      /^C\+\+ compiler: .*received g\+\+ that fails with "no <optional>"\./,
    ],
    [
      "a wrong CXX",
      fakeHost(HEALTHY, { env: { CXX: "clang-99" } }),
      {},
      /^C\+\+ compiler \(CXX=clang-99\): .*received no such program\./,
    ],
    [
      "no Python",
      fakeHost({ "g++": HEALTHY["g++"]! }),
      {},
      /^Python: expected Python 3\.8 or newer, received neither python3 nor python\. .*--wheel FILE, which needs no Python/,
    ],
    [
      "a Python that is not there",
      fakeHost(),
      { python: "/no/python" },
      /^--python \/no\/python: expected Python 3\.8 or newer, received no such program\./,
    ],
    [
      "an old Python",
      fakeHost({ ...HEALTHY, old: () => ({ stdout: pythonAnswer("3.6.9", null) }) }),
      { python: "old" },
      /^--python old: expected Python 3\.8 or newer, received 3\.6\.9\./,
    ],
    [
      "a Python 2",
      fakeHost({
        ...HEALTHY,
        old: ([first]) => (first === "-V" ? { stdout: "Python 2.7.18" } : { code: 1 }),
      }),
      { python: "old" },
      /^--python old: expected Python 3\.8 or newer, received 2\.7\.18\./,
    ],
    [
      "neither pip nor venv",
      fakeHost({
        ...HEALTHY,
        python3: ([, module]) =>
          module === "venv" ? { code: 1 } : { stdout: pythonAnswer("3.11.7", null) },
      }),
      {},
      /^pip of python3: expected pip 20\.3 or newer, or the module venv, received neither\./,
    ],
    [
      "no room",
      fakeHost(HEALTHY, { freeBytes: () => 5e8 }),
      {},
      /^disk of .*: expected 1\.40 GB free, received 0\.50 GB\. .*--prefix DIR/,
    ],
    [
      "a version that is none",
      fakeHost(),
      { tensorflow: "1.15.0" },
      /^--tensorflow 1\.15\.0: expected a version from 2\.12\.0 on, such as 2\.21\.0, received 1\.15\.0\./,
    ],
    [
      "npm's packages",
      offline(),
      {},
      /^npm packages: expected @tensorflow\/tfjs-node-gpu@4\.22\.0, .*received "no network"\. .*put .*\.tgz into/,
    ],
  ];
  it.each(cases)("%s", async (_, host, options, message) => {
    await expect(install(host, options)).rejects.toThrow(KernelError);
    await expect(install(host, options)).rejects.toThrow(message);
    expect(nativeStatus(host, prefix).status).toBe("absent");
  });

  it("a folder that can be written", async () => {
    const file = join(root, "file");
    writeFileSync(file, "");
    await expect(install(fakeHost(), { prefix: join(file, "in") })).rejects.toThrow(
      /^prefix .*: expected a folder that can be written, received a path through a file\. Choose/,
    );
    if (process.getuid?.() === 0) return;
    chmodSync(prefix, 0o500);
    await expect(install(fakeHost())).rejects.toThrow(/received no permission/);
  });
});

describe("a wheel", () => {
  const cases: [string, () => string, InstallOptions, RegExp][] = [
    [
      "that is not there",
      () => join(root, WHEEL),
      {},
      /^--wheel .*: expected a file, received no such file\./,
    ],
    [
      "of something else",
      () => wheel("numpy-2.0.0-cp312-cp312-manylinux_2_27_x86_64.whl"),
      {},
      /^--wheel .*: expected a file such as tensorflow_cpu-2\.21\.0-.*, received numpy-2\.0\.0-/,
    ],
    [
      "of another processor",
      () => wheel(WHEEL.replace("x86_64", "aarch64")),
      {},
      /^--wheel .*: expected one for linux x64 with glibc 2\.36, received one for manylinux_2_27_aarch64\./,
    ],
    [
      "of another system",
      () => wheel(WHEEL.replace("manylinux_2_27_x86_64", "win_amd64")),
      {},
      /received one for win_amd64\./,
    ],
    [
      "of a newer C library",
      () => wheel(WHEEL.replace("2_27", "2_99")),
      {},
      /received one for manylinux_2_99_x86_64\./,
    ],
    [
      "of another version than asked for",
      () => wheel(),
      { tensorflow: "2.20.0" },
      /expected version 2\.20\.0, as --tensorflow says, received 2\.21\.0\./,
    ],
    ["without CUDA, with --cuda", () => wheel(), { cuda: true }, /received tensorflow_cpu\. Give/],
    [
      "without the library",
      () => wheel(WHEEL, { "tensorflow/a.py": "" }),
      {},
      /expected libtensorflow_cc inside, received a wheel without it\./,
    ],
    [
      "that is cut off",
      () => {
        const path = join(mkdtempSync(join(root, "cut-")), WHEEL);
        writeFileSync(path, "PK and nothing more");
        return path;
      },
      {},
      /expected a whole zip archive, received no end record: the file is cut off/,
    ],
  ];
  it.each(cases)("%s is refused before anything is fetched", async (_, make, options, message) => {
    const host = fakeHost({
      "g++": HEALTHY["g++"]!,
      npm: () => {
        throw new Error("fetched");
      },
    });
    await expect(install(host, { wheel: make(), ...options })).rejects.toThrow(message);
  });
});

describe("the lock", () => {
  it("keeps a second installation out", async () => {
    writeFileSync(join(prefix, ".lock"), String(process.ppid));
    await expect(install(fakeHost())).rejects.toThrow(
      /expected no other installation at work, received one of process \d+\. Wait for it to end/,
    );
    expect(() => removeNative(fakeHost(), prefix)).toThrow(/no other installation/);
  });

  it.each(["999999999", "", "junk", String(process.pid)])(
    "of a process that is gone (%j) does not matter",
    async (holder) => {
      writeFileSync(join(prefix, ".lock"), holder);
      await expect(install(offline())).rejects.toThrow(/^npm packages/);
      expect(existsSync(join(prefix, ".lock"))).toBe(false);
    },
  );
});

describe("removing", () => {
  it("of nothing says so", () => {
    const nowhere = join(root, "nowhere");
    expect(removeNative(fakeHost(), nowhere)).toEqual({ prefix: nowhere, removed: [] });
  });

  it("takes what is ours, half-made things too, and leaves the rest", () => {
    for (const name of ["package-2.21.0-cpu", "tensorflow-2.21.0-cpu.partial", "downloads", "mine"])
      mkdirSync(join(prefix, name));
    writeFileSync(join(prefix, "installation.json"), "{}");
    const { removed } = removeNative(fakeHost(), prefix);
    expect(removed[0]).toBe("installation.json");
    expect(readdirSync(prefix)).toEqual(["mine"]);
  });
});
