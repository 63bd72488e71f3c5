import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { findNative, findStock, nativePrefix } from "../../src/backends/native/installation.ts";
import { pointTo, removePointer } from "../../src/native/prefix.ts";
import { nativeStatus } from "../../src/native/status.ts";
import { fakeHost } from "./fake-host.ts";

let root = "";
let standard = "";
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "installation-"));
  standard = join(root, "tfjs-qat/native");
  vi.stubEnv("TFJS_QAT_NATIVE", "");
  vi.stubEnv("XDG_DATA_HOME", root);
});
afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
  rmSync(root, { recursive: true });
});

function put(path: string, text: string): void {
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, text);
}

describe("the folder of the installation", () => {
  it("is the environment's, or that of the pointer, or the default", () => {
    expect(nativePrefix({ HOME: "/home/a" })).toBe("/home/a/.local/share/tfjs-qat/native");
    expect(nativePrefix({ XDG_DATA_HOME: root })).toBe(standard);
    put(join(standard, "location.json"), '{"version": 1, "prefix": "/opt/native"}');
    expect(nativePrefix({ XDG_DATA_HOME: root })).toBe("/opt/native");
    expect(nativePrefix({ XDG_DATA_HOME: root, TFJS_QAT_NATIVE: "/a" })).toBe("/a");
    put(join(standard, "location.json"), "{}");
    expect(() => nativePrefix({ XDG_DATA_HOME: root })).toThrow(
      /location\.json: expected .*received \{\}\. Remove the file/,
    );
  });

  it("is pointed to where it is not the default one, and forgotten on removal", () => {
    const env = { XDG_DATA_HOME: root };
    const host = fakeHost({}, { env });
    expect(pointTo(host, "/opt/native")).toMatch(/location\.json points to \/opt\/native/);
    expect(nativePrefix(env)).toBe("/opt/native");
    expect(removePointer(host, "/elsewhere")).toBe(false);
    expect(removePointer(host, "/opt/native")).toBe(true);
    expect(nativePrefix(env)).toBe(standard);
    expect(pointTo(host, standard)).toBeNull();
    const named = fakeHost({}, { env: { ...env, TFJS_QAT_NATIVE: "/a" } });
    expect(pointTo(named, "/a")).toBeNull();
    expect(pointTo(named, "/b")).toMatch(/TFJS_QAT_NATIVE names \/a: change it to \/b/);
  });
});

describe("what would be loaded", () => {
  /** A folder that looks like a package with a binding. */
  function fakePackage(folder: string): string {
    put(join(folder, "package.json"), "{}");
    put(join(folder, "lib/napi-v8/tfjs_binding.node"), "");
    return folder;
  }

  it("is a recorded package by a relative or an absolute path, before a stock one", () => {
    const project = join(root, "project");
    vi.spyOn(process, "cwd").mockReturnValue(project);
    put(join(project, "package.json"), "{}");
    expect(findNative()).toBeNull();
    expect(nativeStatus(fakeHost({}, { env: process.env })).status).toBe("absent");
    const stock = fakePackage(join(project, "node_modules/@tensorflow/tfjs-node"));
    expect(findStock()).toMatchObject({ kind: "stock", folder: stock });
    expect(findNative()).toEqual(findStock());
    expect(nativeStatus(fakeHost({}, { env: process.env })).status).toBe("stock");
    const own = fakePackage(join(standard, "pkg"));
    for (const folder of ["pkg", own]) {
      put(join(standard, "installation.json"), JSON.stringify({ version: 1, package: folder }));
      expect(findNative()).toMatchObject({ kind: "recorded", folder: own });
    }
  });

  it("is not a stock package without its binding", () => {
    const project = join(root, "project");
    vi.spyOn(process, "cwd").mockReturnValue(project);
    put(join(project, "node_modules/@tensorflow/tfjs-node/package.json"), "{}");
    expect(findStock()).toBeNull();
  });

  it("is the real folder of a linked package", () => {
    const own = fakePackage(join(root, "real"));
    mkdirSync(standard, { recursive: true });
    symlinkSync(own, join(standard, "pkg"));
    put(join(standard, "installation.json"), '{"version": 1, "package": "pkg"}');
    expect(findNative()).toMatchObject({ folder: own });
  });

  it("is told with what is missing", () => {
    put(
      join(standard, "installation.json"),
      '{"version": 1, "package": "pkg", "tensorflow": "2.21.0", "libraries": "tf/tensorflow"}',
    );
    const status = nativeStatus(fakeHost({}, { env: process.env }));
    expect(status).toMatchObject({ status: "incomplete", installation: { tensorflow: "2.21.0" } });
    expect(status.missing).toEqual([
      join(standard, "pkg/lib/napi-v8/tfjs_binding.node"),
      join(standard, "tf/tensorflow"),
    ]);
    expect(readFileSync(join(standard, "installation.json"), "utf8")).toContain("2.21.0");
  });
});
