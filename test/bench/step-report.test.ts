import { describe, expect, it } from "vitest";
import { stepJson, stepReport } from "../../bench/step-report.ts";
import type { StepSamples } from "../../bench/step.ts";
import type { StepVariant } from "../../bench/step-protocol.ts";

const variant = (
  name: StepVariant,
  turns: readonly (readonly number[])[],
  fallbacks: string[] | null,
) => ({
  variant: name,
  kernels: fallbacks === null ? null : ["QatAdam"],
  fallbacks,
  turns,
  tokens_per_turn: 100,
  peak_bytes: 200 * 2 ** 20,
  heap_bytes: 64 * 2 ** 20,
});

const SAMPLES: StepSamples = {
  command: "step",
  environment: {
    ...{ date: "2026-01-02", node: "20", tfjs: "4", tfjs_qat: "1", torch: null, tensorflow: null },
    ...{ cpu: "a processor", logical_cores: 2, threads: 1 },
  },
  workloads: [
    {
      workload: "reference",
      title: "some model",
      variants: [
        variant("stock", [[800], [1600]], null),
        variant(
          "float",
          [
            [90, 110],
            [200, 200],
          ],
          [],
        ),
        variant(
          "qat",
          [
            [110, 110],
            [260, 260],
          ],
          ["QatDropout"],
        ),
      ],
    },
  ],
};

describe("the report of the step benchmark", () => {
  it("is Markdown", () => {
    expect(stepReport(SAMPLES).split("\n")).toEqual([
      "**Training step: some model**",
      "",
      "| variant                    | ms/step, median | min |   max | target tokens/s | peak memory, MiB | wasm heap, MiB |",
      "| -------------------------- | --------------: | --: | ----: | --------------: | ---------------: | -------------: |",
      "| plain TensorFlow.js, float |           1,200 | 800 | 1,600 |            93.8 |              200 |             64 |",
      "| tfjs-qat, float            |             150 | 100 |   200 |             375 |              200 |             64 |",
      "| tfjs-qat, QAT              |             185 | 110 |   260 |             323 |              200 |             64 |",
      "",
      "| time of … ÷ time of …                        | median |  min |  max |",
      "| -------------------------------------------- | -----: | ---: | ---: |",
      "| plain TensorFlow.js, float ÷ tfjs-qat, float |   8.00 | 8.00 | 8.00 |",
      "| plain TensorFlow.js, float ÷ tfjs-qat, QAT   |   6.71 | 6.15 | 7.27 |",
      "| tfjs-qat, QAT ÷ tfjs-qat, float              |   1.20 | 1.10 | 1.30 |",
      "",
      "tfjs-qat, float: kernels: 1, fallbacks: 0",
      "tfjs-qat, QAT: kernels: 1, fallbacks: 1 (QatDropout)",
      "",
      "2026-01-02: tfjs-qat 1, TensorFlow.js 4, Node 20; a processor, 2 logical cores, 1 thread.",
    ]);
  });

  it("keeps every sample in its object", () => {
    expect(stepJson(SAMPLES)).toMatchObject({
      command: "step",
      workloads: [
        {
          variants: [
            { variant: "stock", turns: [[800], [1600]] },
            { variant: "float", ms_per_step: { median: 150, min: 100, max: 200 } },
            {},
          ],
          ratios: [{ median: 8 }, {}, { min: 1.1, max: 1.3 }],
        },
      ],
    });
  });
});
