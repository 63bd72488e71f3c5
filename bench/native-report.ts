/** The figures of the native benchmark as tables. */
import { describeEnvironment } from "./environment.ts";
import {
  captureSeconds,
  type NativeSamples,
  type NativeVariantSamples,
  type NativeWorkloadSamples,
} from "./native.ts";
import {
  isPyTorch,
  isSame,
  NATIVE_WORKLOADS,
  type Mode,
  type NativeVariant,
} from "./native-variants.ts";
import { mean, median, pairedRatio, quantile, sum, type Spread } from "./statistics.ts";
import { figure, markdownTable, mebibytes, number, text } from "./tables.ts";

const NAMES: Readonly<Record<Mode, string>> = {
  captured: "tfjs-qat, native, captured",
  xla: "tfjs-qat, native, captured, XLA",
  eager: "tfjs-qat, native, eager",
  wasm: "tfjs-qat, wasm",
  torch: "PyTorch, eager",
  "torch compiled": "PyTorch, torch.compile",
};

/** Time of the first over time of the second, both in float or both with fake quantization. */
const RATIOS: readonly (readonly [Mode, Mode])[] = [
  ["captured", "torch"],
  ["xla", "torch"],
  ["eager", "torch"],
  ["wasm", "torch"],
  ["torch compiled", "torch"],
  ["captured", "torch compiled"],
  ["xla", "torch compiled"],
  ["eager", "captured"],
];

export function nativeReport({ environment, workloads }: NativeSamples): string {
  return [...workloads.map(workloadReport), describeEnvironment(environment)].join("\n\n");
}

/** All samples, and the figures that the tables show. */
export function nativeJson(samples: NativeSamples): unknown {
  return {
    ...samples,
    workloads: samples.workloads.map((workload) => ({
      ...workload,
      variants: workload.variants.map((variant) => ({
        ...variant,
        ms_per_step: timesOf(variant),
        capture_seconds: captureSeconds(variant.warm_up.notices),
        start_up_seconds: startUpSeconds(variant),
      })),
      ratios: ratiosOf(workload),
      losses: lossesOf(workload),
    })),
  };
}

function workloadReport(workload: NativeWorkloadSamples): string {
  const times = markdownTable(
    [
      text("variant"),
      number("ms/step, median"),
      number("lower quartile"),
      number("upper quartile"),
      number("mean"),
      number("tracing and loading, s"),
      number("whole start, s"),
      number("peak memory, MiB"),
    ],
    workload.variants.map(timesRow),
  );
  const ratios = markdownTable(
    [
      text("time of … ÷ time of …"),
      number("median"),
      number("min"),
      number("max"),
      number("aim, at most"),
    ],
    ratiosOf(workload).map(({ ratio, median, min, max, aim }) => [
      ratio,
      ...[median, min, max].map((value) => value.toFixed(2)),
      aim === null ? "" : aim.toFixed(2),
    ]),
  );
  const title = `**Training step on TensorFlow: ${workload.title}**`;
  return [title, times, ratios, linesOf(workload).join("\n")]
    .filter((part) => part !== "")
    .join("\n\n");
}

function timesRow(variant: NativeVariantSamples): string[] {
  const { median, lower_quartile: lower, upper_quartile: upper, mean } = timesOf(variant);
  return [
    nameOf(variant),
    ...[median, lower, upper, mean].map(figure),
    figure(captureSeconds(variant.warm_up.notices) ?? NaN),
    figure(Math.max(0, startUpSeconds(variant))),
    mebibytes(variant.peak_bytes),
  ];
}

function timesOf({ turns }: NativeVariantSamples) {
  const steps = turns.flat();
  return {
    median: median(steps),
    lower_quartile: quantile(steps, 0.25),
    upper_quartile: quantile(steps, 0.75),
    mean: mean(steps),
  };
}

/**
 * Seconds of the warm-up beyond what its steps take later: tracing, loading, the first run, in which
 * TensorFlow plans the graph, and compilation by XLA or torch.compile.
 */
function startUpSeconds(variant: NativeVariantSamples): number {
  const { milliseconds } = variant.warm_up;
  return (sum(milliseconds) - milliseconds.length * timesOf(variant).median) / 1000;
}

interface NativeRatio extends Spread {
  readonly ratio: string;
  /** What the project aims at, at most; or null. */
  readonly aim: number | null;
}

function ratiosOf(samples: NativeWorkloadSamples): NativeRatio[] {
  const { aims, isApart } = NATIVE_WORKLOADS.find(({ name }) => name === samples.workload)!;
  const acrossModes = RATIOS.flatMap(([above, below]) =>
    [false, true].map((quantized) => [
      { mode: above, quantized },
      { mode: below, quantized },
    ]),
  );
  // What did not take turns is not compared.
  const withinModes = (isApart ? [] : (Object.keys(NAMES) as Mode[])).map((mode) => [
    { mode, quantized: true },
    { mode, quantized: false },
  ]);
  const pairs = [...acrossModes, ...withinModes] as [NativeVariant, NativeVariant][];
  return pairs.flatMap(([above, below]) => {
    const [numerator, denominator] = [above, below].map((wanted) =>
      samples.variants.find((variant) => isSame(variant, wanted)),
    );
    if (numerator === undefined || denominator === undefined) return [];
    const aim = aims.find((aim) => isSame(aim.above, above) && isSame(aim.below, below));
    return [
      {
        ratio: `${nameOf(above)} ÷ ${nameOf(below)}`,
        ...pairedRatio(numerator.turns.map(median), denominator.turns.map(median)),
        aim: aim?.limit ?? null,
      },
    ];
  });
}

/** Losses of the programs of one kind of arithmetic, from least to largest. */
interface LossRange {
  readonly programs: string;
  /** Before the first step. */
  readonly first: readonly [number, number];
  /** Before the last step of the warm-up. */
  readonly last: readonly [number, number];
}

function lossesOf({ variants }: NativeWorkloadSamples): LossRange[] {
  return [false, true].flatMap((quantized) =>
    [false, true].flatMap((torch) => {
      const losses = variants
        .filter((variant) => variant.quantized === quantized && isPyTorch(variant.mode) === torch)
        .map(({ warm_up: { losses } }) => losses);
      if (losses.length === 0) return [];
      const programs = `${torch ? "PyTorch" : "tfjs-qat"}, ${kindOf({ quantized })}`;
      const first = rangeOf(losses.map((values) => values[0]!));
      return [{ programs, first, last: rangeOf(losses.map((values) => values.at(-1)!)) }];
    }),
  );
}

function rangeOf(values: readonly number[]): [number, number] {
  return [Math.min(...values), Math.max(...values)];
}

/** How far the first losses of one kind of arithmetic may be apart: not all start from the same weights. */
const LOSS_TOLERANCE = 0.02;

/** Says so where programs do not train the same model. */
function differenceLines(ranges: readonly LossRange[]): string[] {
  return ["float", "QAT"].flatMap((kind) => {
    const same = ranges.filter(({ programs }) => programs.endsWith(kind));
    const [least, largest] = rangeOf(same.flatMap(({ first }) => first));
    if (same.length === 0 || largest - least <= LOSS_TOLERANCE * largest) return [];
    const apart = `${least.toFixed(4)} to ${largest.toFixed(4)}`;
    return [`First losses, ${kind}: expected the same, received ${apart}. Check the programs.`];
  });
}

/** What the tables do not say. */
function linesOf(workload: NativeWorkloadSamples): string[] {
  const range = (ends: readonly number[]): string => ends.map((end) => end.toFixed(5)).join("–");
  const losses = lossesOf(workload);
  return [
    ...losses.map(
      ({ programs, first, last }) =>
        `Loss before the first step and the last of the warm-up, ${programs}: ` +
        `${range(first)}, ${range(last)}`,
    ),
    ...differenceLines(losses),
    ...compilationLines(workload),
    ...workload.variants.flatMap((variant) =>
      variant.warm_up.notices.map((line) => `${nameOf(variant)}: ${line}`),
    ),
    ...workload.failures.map((failure) => `${nameOf(failure)}: not measured: ${failure.reason}`),
  ];
}

/** What XLA takes of the start: the same graph starts without it, too. */
function compilationLines({ variants }: NativeWorkloadSamples): string[] {
  return variants
    .filter(({ mode }) => mode === "xla")
    .flatMap((variant) => {
      const plain = variants.find((other) => isSame(other, { ...variant, mode: "captured" }));
      if (plain === undefined) return [];
      const seconds = startUpSeconds(variant) - startUpSeconds(plain);
      return [`${nameOf(variant)}: starts ${seconds.toFixed(1)} s later than without XLA`];
    });
}

function nameOf(variant: NativeVariant): string {
  return `${NAMES[variant.mode]}, ${kindOf(variant)}`;
}

function kindOf({ quantized }: Pick<NativeVariant, "quantized">): string {
  return quantized ? "QAT" : "float";
}
