import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { doctorText } from "../../src/cli/commands/doctor.ts";
import { examine } from "../../src/native/doctor.ts";
import type { Ran } from "../../src/native/host.ts";
import { gpusOf, processorOf } from "../../src/native/machine.ts";
import { fakeHost } from "./fake-host.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "doctor-"));
  vi.stubEnv("TFJS_QAT_NATIVE", "");
  vi.stubEnv("XDG_DATA_HOME", folder);
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

/** A machine where the probes of wasm and cpu end like this. */
function machine(probes: Readonly<Record<"wasm" | "cpu", Partial<Ran>>>) {
  const node = { path: "node", version: "20.19.0" };
  const env = { XDG_DATA_HOME: folder };
  const run = (argv: readonly string[]) => probes[JSON.parse(argv.at(-1)!) as "wasm" | "cpu"];
  return fakeHost({ node: run }, { node, env });
}

const works = (execution: string): Partial<Ran> => ({
  stdout: `noise\ntfjs-qat-answer:${JSON.stringify({ isOk: true, value: { execution, threads: 1 } })}\n`,
});

describe("the doctor", () => {
  const { signal } = new AbortController();

  it("says what works, what would be chosen and what to do", async () => {
    const host = machine({ wasm: works("compiled"), cpu: works("loops") });
    const report = await examine(host, signal);
    expect(report.auto).toBe("wasm");
    const text = doctorText(report);
    expect(text).toContain(`native  not usable: not installed in ${folder}/tfjs-qat/native`);
    expect(text).toContain('run "tfjs-qat native install"');
    expect(text).toContain("wasm    usable: compiled kernels");
    expect(text).toContain("GPUs: none seen");
    expect(text).toContain("--backend auto takes: wasm");
  });

  it("survives a backend that crashes", async () => {
    const host = machine({ wasm: { code: null, killedBy: "SIGILL" }, cpu: works("loops") });
    const report = await examine(host, signal);
    expect(report.auto).toBe("cpu");
    expect(doctorText(report)).toContain("does not work: a crash (signal SIGILL)");
  });

  it("finds nothing where nothing works", async () => {
    const broken = { code: 1, stderr: "Error: no\n" };
    const report = await examine(machine({ wasm: broken, cpu: broken }), signal);
    expect(report.auto).toBeNull();
    expect(doctorText(report)).toContain("--backend auto takes: nothing works here");
  });
});

it("the processor's vector instructions are read from the system's list", () => {
  const text = "model name : x\nflags\t\t: fpu sse4_2 avx2 fma avx512f amx_tile rdtscp\n";
  expect(processorOf(text).features).toEqual(["sse4_2", "avx2", "fma", "avx512f", "amx_tile"]);
  expect(processorOf("Features\t: fp asimd sve\n").features).toEqual(["asimd", "sve"]);
  expect(processorOf("").features).toEqual([]);
});

it("GPUs are those of NVIDIA's tool, if there is one", async () => {
  const host = fakeHost({ "nvidia-smi": () => ({ stdout: "NVIDIA H100, 81559 MiB, 550.1\n" }) });
  expect(await gpusOf(host)).toEqual(["NVIDIA H100, 81559 MiB, 550.1"]);
  expect(await gpusOf(fakeHost(), join(folder, "no-driver"))).toEqual([]);
});
