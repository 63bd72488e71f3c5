import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { examine } from "../../src/native/doctor.ts";
import { thisHost, type Host } from "../../src/native/host.ts";
import { installNative } from "../../src/native/install.ts";
import { nativeStatus, removeNative } from "../../src/native/status.ts";
import { SILENT } from "../../src/recipe/run-reporter.ts";

const { signal } = new AbortController();

/** Takes the network and half a minute: where native is required, so in continuous integration. */
describe.skipIf(!process.env["TFJS_QAT_REQUIRE_NATIVE"])("a real installation", () => {
  let root = "";
  let prefix = "";
  let host: Host;
  beforeAll(() => {
    root = mkdtempSync(join(tmpdir(), "native-slow-"));
    prefix = join(root, "with a blank", "native");
  });
  beforeEach(() => {
    vi.stubEnv("TFJS_QAT_NATIVE", "");
    vi.stubEnv("XDG_DATA_HOME", join(root, "data"));
    host = thisHost();
  });
  afterEach(() => {
    vi.unstubAllEnvs();
    vi.restoreAllMocks();
  });
  afterAll(() => {
    rmSync(root, { recursive: true });
  });

  it("is made from scratch, found by its pointer, and verified the second time", async () => {
    const context = { host, reporter: SILENT, signal };
    const first = await installNative({ prefix }, context);
    expect(first).toMatchObject({ status: "installed", prefix, tensorflow: "2.21.0" });
    expect(first.steps).toEqual(["package", "tensorflow", "build", "verify", "record"]);
    expect(readdirSync(prefix).sort()).toEqual([
      "installation.json",
      "package-2.21.0-cpu",
      "tensorflow-2.21.0-cpu",
    ]);
    const again = await installNative({}, context);
    expect(again).toMatchObject({ status: "verified", prefix, steps: ["verify"] });
    expect(nativeStatus(host)).toMatchObject({ status: "installed", prefix });
  });

  it("can be moved, and is built again where the binding is broken", async () => {
    const moved = join(root, "moved");
    cpSync(prefix, moved, { recursive: true, verbatimSymlinks: true });
    const context = { host, reporter: SILENT, signal };
    expect(await installNative({ prefix: moved }, context)).toMatchObject({ status: "verified" });
    const binding = join(moved, "package-2.21.0-cpu/lib/napi-v8/tfjs_binding.node");
    rmSync(binding);
    const repaired = await installNative({ prefix: moved }, context);
    expect(repaired.steps).toEqual(["build", "verify", "record"]);
    expect(existsSync(binding)).toBe(true);
    removeNative(host, moved);
    expect(existsSync(moved)).toBe(false);
    // Its pointer went with it.
    expect(nativeStatus(host).status).toBe("absent");
  });

  it("is what the doctor recommends, after it has tried it", async () => {
    vi.stubEnv("TFJS_QAT_NATIVE", prefix);
    const report = await examine(host, signal);
    expect(report.auto).toBe("native");
    expect(report.versions.tensorflow).toBe("2.21.0");
    expect(report.backends.map((backend) => [backend.name, backend.is_usable])).toEqual([
      ["native", true],
      ["wasm", true],
      ["cpu", true],
    ]);
  });

  it("works as a stock package does, which is used as it is", async () => {
    const project = join(root, "project");
    mkdirSync(join(project, "node_modules/@tensorflow"), { recursive: true });
    const stock = join(project, "node_modules/@tensorflow/tfjs-node-gpu");
    symlinkSync(join(prefix, "package-2.21.0-cpu"), stock);
    vi.spyOn(process, "cwd").mockReturnValue(project);
    const report = await installNative({}, { host, reporter: SILENT, signal });
    expect(report).toMatchObject({ status: "stock", prefix: null, tensorflow: "2.21.0" });
  });
});
