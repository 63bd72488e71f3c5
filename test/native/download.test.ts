import { existsSync, mkdtempSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { buildBinding } from "../../src/native/build-binding.ts";
import type { Ran } from "../../src/native/host.ts";
import { downloadWheels } from "../../src/native/pip-download.ts";
import { SILENT } from "../../src/recipe/run-reporter.ts";
import { fakeHost } from "./fake-host.ts";
import { writeZip } from "./write-zip.ts";

const NAME = "tensorflow_cpu-2.21.0-cp312-cp312-manylinux_2_27_x86_64.whl";
const python = { path: "py", version: "3.11.7", pip: "23.2.1", tensorflow: null };
const { signal } = new AbortController();

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "download-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

/** A pip that does this; `calls` holds its command lines. */
function pip(act: (call: number) => Partial<Ran>) {
  const calls: string[] = [];
  const host = fakeHost({
    py: (argv) => {
      calls.push(argv.join(" "));
      return act(calls.length);
    },
  });
  const requirements = ["tensorflow-cpu==2.21.0"];
  const run = () =>
    downloadWheels({ host, python, requirements, folder, reporter: SILENT, signal });
  return { calls, run };
}

describe("downloads", () => {
  it("go on after an interruption: a file that was cut off is fetched again, a whole one is kept", async () => {
    const kept = writeZip(join(folder, "whole-1.0-py3-none-any.whl"), { a: "" });
    const path = join(folder, NAME);
    writeFileSync(path, "half of a wh");
    mkdirSync(join(folder, "pip.partial"));
    writeFileSync(join(folder, "pip.partial/rest"), "x");
    const { run } = pip(() => {
      expect(existsSync(path)).toBe(false);
      expect(existsSync(join(folder, "pip.partial/rest"))).toBe(false);
      writeZip(path, { a: "" });
      return {};
    });
    expect((await run()).sort()).toEqual([path, kept].sort());
    expect(existsSync(join(folder, "pip.partial"))).toBe(false);
  });

  it("try the wheels of an older Python where there is no newer one", async () => {
    const stderr = "ERROR: No matching distribution found for tensorflow-cpu==2.13.0";
    const { calls, run } = pip((call) => (call === 1 ? { code: 1, stderr } : {}));
    expect(await run()).toEqual([]);
    expect(calls.map((call) => /--python-version (\S+)/.exec(call)?.[1])).toEqual(["3.12", "3.10"]);
    expect(calls[0]).toContain("--no-deps --only-binary=:all:");
  });

  it.each([
    [{ code: 1, stderr: "WARNING: Retrying\nERROR: Could not connect\n" }, "Could not connect"],
    [{ code: null, killedBy: "SIGKILL" }, "an end by signal SIGKILL"],
  ])("say what pip said: %j", async (ran, words) => {
    const { calls, run } = pip(() => ran);
    await expect(run()).rejects.toThrow(
      `pip download tensorflow-cpu==2.21.0: expected a wheel, received "${words}". Check the version and the network`,
    );
    expect(calls).toHaveLength(1);
  });
});

describe("the binding", () => {
  function build(code: number, stderr = "") {
    const libraries = join(folder, "tensorflow");
    for (const name of ["cc", "framework"]) {
      mkdirSync(libraries, { recursive: true });
      writeFileSync(join(libraries, `libtensorflow_${name}.so.2`), "");
    }
    mkdirSync(join(folder, "binding"), { recursive: true });
    const lines: string[] = [];
    const host = fakeHost({
      cxx: (argv) => {
        lines.push(argv.join(" "));
        if (code === 0) writeFileSync(argv.at(-1)!, "");
        return { code, stderr };
      },
    });
    const compiler = { path: "cxx", version: "cxx 1" };
    const rest = { libraries, runPath: "$ORIGIN", nodeHeaders: "/include", signal };
    return { lines, run: () => buildBinding({ host, compiler, folder, ...rest }) };
  }

  it("is built once from the same, and again from something else", async () => {
    const { lines, run } = build(0);
    expect([await run(), await run()]).toEqual([true, false]);
    expect(lines).toHaveLength(2);
    expect(lines[0]).toContain("libtensorflow_cc.so.2");
    expect(basename(lines[0]!.split(" ").at(-1)!)).toBe("tfjs_binding.node.partial");
    expect(existsSync(join(folder, "lib/napi-v8/tfjs_binding.node"))).toBe(true);
    rmSync(join(folder, "binding.json"));
    expect(await run()).toBe(true);
  });

  it("that does not compile is an error with the first of the compiler's", async () => {
    const { run } = build(1, "In file included\na.cc:1: error: no such thing\nb.cc:2: error: x\n");
    await expect(run()).rejects.toThrow(
      /^cxx \(cxx 1\): expected the binding in .*, received "a\.cc:1: error: no such thing"\. Try another/,
    );
    expect(existsSync(join(folder, "binding.json"))).toBe(false);
  });
});
