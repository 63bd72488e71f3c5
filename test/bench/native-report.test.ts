import { describe, expect, it } from "vitest";
import { captureSeconds, type NativeSamples } from "../../bench/native.ts";
import { nativeJson, nativeReport } from "../../bench/native-report.ts";
import type { NativeVariant } from "../../bench/native-variants.ts";

const CAPTURED = "training step: captured 1234 operations in 1500 ms";

const variant = (
  mode: NativeVariant["mode"],
  quantized: boolean,
  turns: readonly (readonly number[])[],
  warmUp: { milliseconds: readonly number[]; losses: readonly number[]; notices?: string[] },
) => ({
  ...{ mode, quantized, turns, warm_up: { notices: [], ...warmUp } },
  peak_bytes: 300 * 2 ** 20,
});

const SAMPLES: NativeSamples = {
  command: "native",
  environment: {
    ...{ date: "2026-01-02", node: "20", tfjs: "4", tfjs_qat: "1", torch: "2", tensorflow: "3" },
    ...{ cpu: "a processor", logical_cores: 4, threads: 2 },
  },
  workloads: [
    {
      workload: "reference",
      title: "some model",
      variants: [
        variant("captured", false, [[70, 80, 90], [160]], {
          ...{ milliseconds: [2000, 1000, 85], losses: [8.5, 8.25], notices: [CAPTURED] },
        }),
        variant("captured", true, [[90], [180]], {
          ...{ milliseconds: [2000, 1000, 85], losses: [8.5, 8.25], notices: [CAPTURED] },
        }),
        variant("xla", false, [[60], [130]], {
          ...{ milliseconds: [9000, 1000, 95], losses: [8.5, 8.5], notices: [CAPTURED] },
        }),
        variant("torch", false, [[100], [200]], { milliseconds: [150, 150], losses: [8.625, 8.5] }),
      ],
      failures: [{ mode: "torch compiled", quantized: true, reason: "no compiler" }],
    },
  ],
};

describe("the report of the native benchmark", () => {
  it("has tables and what they do not say", () => {
    const report = nativeReport(SAMPLES).replace(/ +/g, " ");
    for (const wanted of [
      "**Training step on TensorFlow: some model**",
      "| tfjs-qat, native, captured, float | 85.0 | 77.5 | 108 | 100 | 1.50 | 2.83 | 300 |",
      "| PyTorch, eager, float | 150 | 125 | 175 | 150 | – | 0.00 | 300 |",
      "| tfjs-qat, native, captured, float ÷ PyTorch, eager, float | 0.80 | 0.80 | 0.80 | 0.90 |",
      "| tfjs-qat, native, captured, QAT ÷ tfjs-qat, native, captured, float | 1.13 | 1.13 | 1.13 | 1.20 |",
      "Loss before the first step and the last of the warm-up, tfjs-qat, float: 8.50000–8.50000, 8.25000–8.50000",
      "tfjs-qat, native, captured, XLA, float: starts 7.0 s later than without XLA",
      `tfjs-qat, native, captured, float: ${CAPTURED}`,
      "PyTorch, torch.compile, QAT: not measured: no compiler",
      "2026-01-02: tfjs-qat 1, TensorFlow.js 4, TensorFlow 3, Node 20, PyTorch 2; a processor, 4 logical cores, 2 threads.",
    ]) {
      expect(report.split("\n")).toContain(wanted);
    }
  });

  it("says where the programs start from other losses", () => {
    const [workload] = SAMPLES.workloads;
    const other = variant("torch", false, [[100]], { milliseconds: [100], losses: [7] });
    const variants = [...workload!.variants.slice(0, 1), other];
    expect(nativeReport({ ...SAMPLES, workloads: [{ ...workload!, variants }] })).toContain(
      "First losses, float: expected the same, received 7.0000 to 8.5000. Check the programs.",
    );
  });

  it("keeps every sample in its object", () => {
    expect(nativeJson(SAMPLES)).toMatchObject({
      command: "native",
      workloads: [
        {
          variants: [
            { turns: [[70, 80, 90], [160]], ms_per_step: { median: 85 }, capture_seconds: 1.5 },
            {},
            {},
            { capture_seconds: null, start_up_seconds: 0 },
          ],
          losses: [{ programs: "tfjs-qat, float", first: [8.5, 8.5] }, {}, {}],
        },
      ],
    });
  });

  it.each([
    [[CAPTURED], 1.5],
    [["training step: runs without a graph: it reads a value"], null],
    [[], null],
  ])("finds in %j %s seconds of capturing", (notices, expected) => {
    expect(captureSeconds(notices)).toBe(expected);
  });
});
