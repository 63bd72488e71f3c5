import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { nativePrefix, readInstallation } from "../../src/backends/native/installation.ts";
import { selectBackend } from "../../src/backends/select.ts";
import { thisHost } from "../../src/native/host.ts";
import { hasNative } from "../helpers/native.ts";

describe.skipIf(!hasNative)("TensorFlow for Node", () => {
  it("is what auto takes, with the threads of its first start", async () => {
    const first = await selectBackend("native", { threads: 1 });
    expect(first).toMatchObject({ backend: "tensorflow", threads: 1, notice: null });
    const again = await selectBackend("auto", { threads: 2 });
    expect(again).toMatchObject({ backend: "tensorflow", threads: 1 });
    expect(again.notice).toMatch(/^threads: expected 2, received 1: TensorFlow has been started/);
  });

  // One that was built by hand may print.
  const isOurs = hasNative && readInstallation(nativePrefix(process.env))?.compiler !== undefined;
  it.skipIf(!isOurs)("says nothing of its own unless asked", async () => {
    const script = fileURLToPath(new URL("../../src/native/probe-process.ts", import.meta.url));
    const tsx = createRequire(import.meta.url).resolve("tsx");
    const argv = ["--import", tsx, script, '"native"'];
    const quiet = await thisHost().run(process.execPath, argv);
    expect([quiet.code, quiet.stderr]).toEqual([0, ""]);
    expect(quiet.stdout).toMatch(/^tfjs-qat-answer:.*"isOk":true/);
    const env = { TF_CPP_MIN_LOG_LEVEL: "0" };
    const loud = await thisHost().run(process.execPath, argv, { env });
    expect(loud.stderr).toContain("oneDNN");
  });
});
