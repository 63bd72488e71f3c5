/** Learning rates as functions of the step. */
import { ConfigError } from "../errors.ts";

/** A learning rate schedule: a pure function of the step. */
export interface Schedule {
  /**
   * The rate of the update after `step` updates, counted over all runs of the model
   * (`initial_global_step` included). Formulas count from 1: t = step + 1.
   */
  rate(step: number): number;
  /** Steps at which the formula changes; between two of them the rate rises or falls throughout. */
  readonly turns: readonly number[];
}

/** Options of {@link noamSchedule}. */
export interface NoamOptions {
  /** Width of the model. */
  readonly dmodel: number;
  readonly warmupSteps: number;
  readonly initialFactor: number;
  /** The factor falls linearly to this from `startDecayAt` on, over `decaySteps`. */
  readonly endFactor?: number | undefined;
  readonly startDecayAt?: number | undefined;
  readonly decaySteps?: number | undefined;
}

/**
 * factor(t) · dmodel^−½ · min(1, t/w) / √max(t, w), w = warmupSteps.
 * @see NeurST, neurst/optimizers/schedules/noam_schedule.py
 */
export function noamSchedule(options: NoamOptions): Schedule {
  const { dmodel, warmupSteps, initialFactor, endFactor, startDecayAt = 0, decaySteps } = options;
  const decays = endFactor !== undefined && decaySteps !== undefined;
  const factor = (t: number): number => {
    if (!decays) return initialFactor;
    const done = Math.max(Math.min(t - startDecayAt, decaySteps), 0) / decaySteps;
    return endFactor + (initialFactor - endFactor) * (1 - done);
  };
  return {
    rate: (step) => {
      const t = step + 1;
      const shape = Math.min(1, t / warmupSteps) / Math.sqrt(Math.max(t, warmupSteps));
      return factor(t) * dmodel ** -0.5 * shape;
    },
    turns: decays ? [warmupSteps, startDecayAt, startDecayAt + decaySteps] : [warmupSteps],
  };
}

/** Options of {@link inverseSqrtSchedule}. */
export interface InverseSqrtOptions {
  /** Rate at the end of the warm-up. */
  readonly peakRate: number;
  /** Rate that the warm-up starts from. */
  readonly initialRate: number;
  readonly warmupSteps: number;
}

/**
 * t < w: initial + t·(peak − initial)/w; then peak·√w/√t, w = warmupSteps.
 * @see NeurST, neurst/optimizers/schedules/inverse_sqrt_schedule.py
 */
export function inverseSqrtSchedule(options: InverseSqrtOptions): Schedule {
  const { peakRate, initialRate, warmupSteps } = options;
  return {
    rate: (step) => {
      const t = step + 1;
      return t < warmupSteps
        ? initialRate + (t * (peakRate - initialRate)) / warmupSteps
        : (peakRate * Math.sqrt(warmupSteps)) / Math.sqrt(t);
    },
    turns: [warmupSteps],
  };
}

/** Options of {@link piecewiseSchedule}. */
export interface PiecewiseOptions {
  /** s0 < s1 < … */
  readonly steps: readonly number[];
  /** One more than `steps`: r0, r1 … */
  readonly rates: readonly number[];
}

/**
 * t < s0: r0·t/s0; s0 ≤ t < s1: r1; s1 ≤ t < s2: r2; … and the last rate at the end.
 * @throws {ConfigError} if `rates` is not one longer than `steps`, or `steps` do not rise
 * @see NeurST, neurst/optimizers/schedules/piecewise_schedule.py
 */
export function piecewiseSchedule({ steps, rates }: PiecewiseOptions): Schedule {
  const first = steps[0];
  const rises = steps.every((step, i) => i === 0 || step > steps[i - 1]!);
  if (first === undefined || rates.length !== steps.length + 1 || !rises) {
    throw new ConfigError(
      `lr_schedule piecewise: expected rising schedule_steps and one more of schedule_lrs, ` +
        `received [${steps.join(", ")}] and [${rates.join(", ")}]. ` +
        "Give the warm-up's last rate first, then one rate for each step.",
    );
  }
  return {
    rate: (step) => {
      const t = step + 1;
      if (t < first) return (rates[0]! * t) / first;
      const next = steps.findIndex((start) => t < start);
      return next < 0 ? rates.at(-1)! : rates[next]!;
    },
    turns: steps,
  };
}

/** Options of {@link linearSchedule}. */
export interface LinearOptions {
  readonly peakRate: number;
  /** Rate of the update that makes step `lastStep`, and after it. */
  readonly endRate: number;
  readonly warmupSteps: number;
  /** Step at which the run starts (`initial_global_step`): this schedule counts from there. */
  readonly firstStep: number;
  /** Step at which it ends, `firstStep` included in the count. */
  readonly lastStep: number;
}

/**
 * With t counted from `firstStep` and n = lastStep − firstStep:
 * t ≤ w: peak·t/w; then peak + (end − peak)·(t − w)/(n − w); end from n on.
 */
export function linearSchedule(options: LinearOptions): Schedule {
  const { peakRate, endRate, warmupSteps, firstStep, lastStep } = options;
  const length = lastStep - firstStep;
  return {
    rate: (step) => {
      const t = step - firstStep + 1;
      if (t <= warmupSteps) return (peakRate * t) / warmupSteps;
      if (t >= length) return endRate;
      return peakRate + ((endRate - peakRate) * (t - warmupSteps)) / (length - warmupSteps);
    },
    turns: [firstStep + warmupSteps, lastStep],
  };
}

/** Options of {@link multiStepSchedule}. Steps below 1 are a fraction of the run, rounded down. */
export interface MultiStepOptions {
  /** Rate between the warm-up and the first fall. */
  readonly peakRate: number;
  /** Steps of exponential warm-up; no more than `remainSteps` are made. */
  readonly warmupSteps: number;
  /** Step at which the rate falls for the first time. */
  readonly remainSteps: number;
  /** Steps between two falls; left out: `decaySteps` falls fill the rest of the run. */
  readonly decayInterval?: number | undefined;
  /** Number of falls. */
  readonly decaySteps: number;
  /** What each fall multiplies the rate by. */
  readonly decayFactor: number;
  /** Step at which the run starts (`initial_global_step`): this schedule counts from there. */
  readonly firstStep: number;
  /** Step at which it ends, `firstStep` included in the count. */
  readonly lastStep: number;
}

/** Rate at the start of an exponential warm-up, as a part of the peak. */
const WARMUP_START = 0.01;

/**
 * With t counted from `firstStep`, w warm-up steps, r remaining steps, i the interval:
 * t ≤ w: peak · 0.01^((w − t)/w); t < r: peak; then peak · factor^min(⌊(t − r)/i⌋ + 1, decaySteps).
 * @throws {ConfigError} for a number of steps that is neither whole nor below 1
 * @see mlcommons/training, retired_benchmarks/gnmt/pytorch/seq2seq/train/lr_scheduler.py,
 * WarmupMultiStepLR; its trainer steps the schedule before the optimizer, so that the first update
 * has t = 1 there too
 */
export function multiStepSchedule(options: MultiStepOptions): Schedule {
  const { peakRate, decaySteps, decayFactor, firstStep, lastStep } = options;
  const length = lastStep - firstStep;
  const remain = stepsOf("remain_steps", options.remainSteps, length);
  const warmup = Math.min(stepsOf("warmup_steps", options.warmupSteps, length), remain);
  const interval = Math.max(
    options.decayInterval === undefined
      ? Math.floor((length - remain) / decaySteps)
      : stepsOf("decay_interval", options.decayInterval, length),
    1,
  );
  return {
    rate: (step) => {
      const t = step - firstStep + 1;
      if (t <= warmup) return peakRate * WARMUP_START ** ((warmup - t) / warmup);
      if (t < remain) return peakRate;
      const falls = Math.min(Math.floor((t - remain) / interval) + 1, decaySteps);
      return peakRate * decayFactor ** falls;
    },
    turns: [warmup, ...Array.from({ length: decaySteps }, (_, n) => remain + n * interval)].map(
      (t) => firstStep + t,
    ),
  };
}

/** A number of steps, or that fraction of the run. */
function stepsOf(name: string, value: number, length: number): number {
  if (value < 1) return Math.floor(value * length);
  if (Number.isInteger(value)) return value;
  throw new ConfigError(
    `lr_schedule warmup_multi_step: ${name}: expected a whole number of steps or a fraction of ` +
      `the run below 1, received ${value}. Change ${name}.`,
  );
}

/** The highest rate of the updates that lead from step `first` to step `last`. */
export function highestRate(schedule: Schedule, first: number, last: number): number {
  // A turn is given as t or as a step; its neighbours cover both, and jumps.
  const candidates = schedule.turns.flatMap((turn) => [turn - 2, turn - 1, turn, turn + 1]);
  const inside = candidates.filter((step) => step >= first && step < last);
  return Math.max(
    ...[first, Math.max(last - 1, first), ...inside].map((step) => schedule.rate(step)),
  );
}
