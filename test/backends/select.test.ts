import * as tf from "@tensorflow/tfjs";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { registerKernels } from "../../src/backends/register.ts";
import { describeBackend, selectBackend } from "../../src/backends/select.ts";
import { KERNEL_NAMES } from "../../src/ops/kernel.ts";
import { hasNative } from "../helpers/native.ts";

describe("selectBackend", () => {
  let folder = "";
  // Whatever is installed on the machine, here nothing is.
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "select-"));
    vi.stubEnv("TFJS_QAT_NATIVE", "");
    vi.stubEnv("XDG_DATA_HOME", folder);
  });
  afterEach(() => {
    vi.restoreAllMocks();
    vi.unstubAllEnvs();
    rmSync(folder, { recursive: true });
  });

  it.each([
    ["auto", "wasm", "compiled"],
    ["wasm", "wasm", "compiled"],
    ["cpu", "cpu", "loops"],
  ] as const)("%s runs on %s with all our kernels %s", async (name, backend, execution) => {
    const said = [
      vi.spyOn(console, "warn"),
      vi.spyOn(console, "log"),
      vi.spyOn(process.stderr, "write"),
    ];
    const handlers = process.listenerCount("uncaughtException");
    const report = await selectBackend(name);
    const kernels = KERNEL_NAMES;
    expect(report).toEqual({
      backend,
      kernels,
      fallbacks: [],
      execution,
      threads: 1,
      notice: null,
    });
    tf.scalar(1).dispose();
    for (const spy of said) expect(spy).not.toHaveBeenCalled();
    expect(process.listenerCount("uncaughtException")).toBe(handlers);
  });

  it("says what to install for native", async () => {
    vi.stubEnv("TFJS_QAT_NATIVE", "/nonexistent");
    await expect(selectBackend("native")).rejects.toThrow(/nonexistent.*tfjs-qat native install/);
  });

  it("auto says why an installation is not used", async () => {
    vi.stubEnv("TFJS_QAT_NATIVE", folder);
    const record = join(folder, "installation.json");
    const cases = [
      ["", /installation\.json: expected a JSON object/],
      ['{"version": 2, "package": "p"}', /expected version 1 and the folder of a package/],
      [
        '{"version": 1, "package": "p"}',
        /expected .*p\/lib\/napi-v8\/tfjs_binding\.node, received no such file/,
      ],
    ] as const;
    for (const [text, reason] of cases) {
      writeFileSync(record, text);
      const { backend, notice } = await selectBackend("auto");
      expect(backend).toBe("wasm");
      expect(notice).toMatch(/^backend: expected native, received wasm: /);
      expect(notice).toMatch(reason);
      expect(notice).toMatch(/tfjs-qat native install/);
      await expect(selectBackend("native")).rejects.toThrow(reason);
    }
  });

  it("registers twice without harm", async () => {
    await selectBackend("wasm");
    const warn = vi.spyOn(console, "warn");
    const product = tf.getKernel("BatchMatMul", "wasm").kernelFunc;
    registerKernels();
    expect(warn).not.toHaveBeenCalled();
    expect(tf.getKernel("BatchMatMul", "wasm").kernelFunc).toBe(product);
  });
});

// Behind the test of a missing installation: what is loaded stays loaded.
describe.runIf(hasNative)("selectBackend", () => {
  it("native runs our kernels as TensorFlow's operations", async () => {
    const report = await selectBackend("native");
    // A sigmoid and a hyperbolic tangent are one operation of TensorFlow's as they are.
    const fallbacks = [
      ...["QatAffineLstmCell", "QatCachedAttention", "QatNarrowCodes", "QatPackCodes"],
      ...["QatSigmoid", "QatTanh"],
    ];
    expect(report).toMatchObject({ backend: "tensorflow", execution: "operations", fallbacks });
    expect(describeBackend(report)).toBe(
      "backend: tensorflow, 31 kernels as TensorFlow operations, fallbacks: 6 " +
        `(${fallbacks.join(", ")}), threads: ${report.threads}`,
    );
    const warn = vi.spyOn(console, "warn");
    const gather = tf.getKernel("GatherV2", "tensorflow").kernelFunc;
    registerKernels();
    expect(warn).not.toHaveBeenCalled();
    expect(tf.getKernel("GatherV2", "tensorflow").kernelFunc).toBe(gather);
  });
});

describe("wasm memory", () => {
  it("shares memory between a tensor and its clone until both are disposed", async () => {
    await selectBackend("wasm");
    const x = tf.tensor1d([1, 2, 3]);
    const y = x.clone();
    expect(y.dataId).toBe(x.dataId);
    x.dispose();
    expect([...y.dataSync()]).toEqual([1, 2, 3]);
    y.dispose();
  });

  it("is an error when it is used up, and usable afterwards", async () => {
    await selectBackend("wasm");
    // Ten times 400 MiB are more than WebAssembly can address; most of it is never touched.
    const backend = tf.backend() as unknown as {
      makeOutput(shape: number[], dtype: tf.DataType): tf.TensorInfo;
      disposeData(dataId: object): boolean;
      numDataIds(): number;
    };
    const before = backend.numDataIds();
    const taken: tf.TensorInfo[] = [];
    const fill = (): void => {
      for (let i = 0; i < 11; i++) taken.push(backend.makeOutput([100 * 2 ** 20], "float32"));
    };
    expect(fill).toThrow(/wasm memory: expected room .* Use smaller batches/);
    for (const { dataId } of taken) backend.disposeData(dataId);
    expect(backend.numDataIds()).toBe(before);
    const x = tf.tensor1d([2, 3]);
    expect([...tf.mul(x, x).dataSync()]).toEqual([4, 9]);
  });
});
