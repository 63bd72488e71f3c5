/** The figures of the step benchmark as tables. */
import { describeEnvironment } from "./environment.ts";
import { mean, pairedRatio, spreadOf, sum, type Spread } from "./statistics.ts";
import type { StepVariant } from "./step-protocol.ts";
import type { StepSamples, VariantSamples, WorkloadSamples } from "./step.ts";
import { figure, markdownTable, mebibytes, number, text } from "./tables.ts";

/** Time of the first over time of the second. */
const RATIOS: readonly (readonly [StepVariant, StepVariant])[] = [
  ["stock", "float"],
  ["stock", "qat"],
  ["compositions", "float"],
  ["qat", "float"],
  ["float", "torch float"],
  ["qat", "torch qat"],
  ["torch qat", "torch float"],
];

const NAMES: Readonly<Record<StepVariant, string>> = {
  stock: "plain TensorFlow.js, float",
  float: "tfjs-qat, float",
  qat: "tfjs-qat, QAT",
  compositions: "tfjs-qat without its kernels, float",
  "torch float": "PyTorch, float",
  "torch qat": "PyTorch, QAT",
};

export function stepReport({ environment, workloads }: StepSamples): string {
  return [...workloads.map(workloadReport), describeEnvironment(environment)].join("\n\n");
}

/** All samples, and the figures that the tables show. */
export function stepJson(samples: StepSamples): unknown {
  return {
    ...samples,
    workloads: samples.workloads.map((workload) => ({
      ...workload,
      variants: workload.variants.map((variant) => ({
        ...variant,
        ms_per_step: spreadOf(millisecondsOf(variant)),
        target_tokens_per_second: tokensPerSecond(variant),
      })),
      ratios: ratiosOf(workload),
    })),
  };
}

function workloadReport(workload: WorkloadSamples): string {
  const times = markdownTable(
    [
      text("variant"),
      number("ms/step, median"),
      number("min"),
      number("max"),
      number("target tokens/s"),
      number("peak memory, MiB"),
      number("wasm heap, MiB"),
    ],
    workload.variants.map(timesRow),
  );
  const ratios = markdownTable(
    [text("time of … ÷ time of …"), number("median"), number("min"), number("max")],
    ratiosOf(workload).map(({ ratio, median, min, max }) => [
      ratio,
      ...[median, min, max].map((value) => value.toFixed(2)),
    ]),
  );
  const kernels = workload.variants.flatMap((variant) => kernelsLine(variant));
  return [`**Training step: ${workload.title}**`, times, ratios, kernels.join("\n")].join("\n\n");
}

function timesRow(variant: VariantSamples): string[] {
  const { median, min, max } = spreadOf(millisecondsOf(variant));
  return [
    NAMES[variant.variant],
    ...[median, min, max, tokensPerSecond(variant)].map(figure),
    mebibytes(variant.peak_bytes),
    mebibytes(variant.heap_bytes),
  ];
}

function kernelsLine({ variant, kernels, fallbacks }: VariantSamples): string[] {
  if (kernels === null || fallbacks === null) return [];
  const names = fallbacks.length === 0 || variant === "compositions" ? "" : fallbacks.join(", ");
  const list = names === "" ? "" : ` (${names})`;
  return [`${NAMES[variant]}: kernels: ${kernels.length}, fallbacks: ${fallbacks.length}${list}`];
}

/** Milliseconds of a step in each turn: the mean of its counted steps. */
function millisecondsOf({ turns }: VariantSamples): number[] {
  return turns.map(mean);
}

function tokensPerSecond({ turns, tokens_per_turn: tokens }: VariantSamples): number {
  return spreadOf(turns.map((steps) => (1000 * tokens) / sum(steps))).median;
}

function ratiosOf({ variants }: WorkloadSamples): (Spread & { readonly ratio: string })[] {
  const find = (name: StepVariant) => variants.find(({ variant }) => variant === name);
  return RATIOS.flatMap(([above, below]) => {
    const [numerator, denominator] = [find(above), find(below)];
    if (numerator === undefined || denominator === undefined) return [];
    const ratio = `${NAMES[above]} ÷ ${NAMES[below]}`;
    return [{ ratio, ...pairedRatio(millisecondsOf(numerator), millisecondsOf(denominator)) }];
  });
}
