/**
 * Time of a training step on TensorFlow itself: captured as a graph, compiled by XLA or operation by
 * operation, beside our wasm backend and PyTorch. Variants take turns, each in a process of its own.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Child, ChildError } from "./child-process.ts";
import { environmentOf, type Environment } from "./environment.ts";
import { writeInitialWeights } from "./initial-weights.ts";
import { writeLstmData } from "./lstm-data.ts";
import { measuringEnvironment } from "./measuring-environment.ts";
import type {
  NativeFinish,
  NativeJob,
  NativeRequest,
  NativeStart,
  NativeTurn,
  NativeWarmUp,
} from "./native-protocol.ts";
import {
  groupsOf,
  isPyTorch,
  LSTM_SIZE,
  NATIVE_WORKLOADS,
  type NativeVariant,
  type NativeWorkload,
  type NativeWorkloadName,
} from "./native-variants.ts";
import { requirePyTorch, startPyTorch } from "./python.ts";
import { median, sum } from "./statistics.ts";
import { prepareWorkload, trainingBatches } from "./workloads.ts";

/** What to measure. */
export interface NativeOptions {
  readonly workloads: readonly NativeWorkloadName[];
  readonly threads: number;
  /** Turns of each variant, or null for as many as each workload has by default. */
  readonly turns: number | null;
  /** A Python with PyTorch, or null to leave it out. */
  readonly python: string | null;
}

/** Everything that one variant gave. */
export interface NativeVariantSamples extends NativeVariant {
  readonly warm_up: NativeWarmUp;
  /** Milliseconds of each counted step, turn by turn. */
  readonly turns: readonly (readonly number[])[];
  readonly peak_bytes: number;
}

/** A variant that could not be measured. */
export interface NativeFailure extends NativeVariant {
  readonly reason: string;
}

export interface NativeWorkloadSamples {
  readonly workload: NativeWorkloadName;
  readonly title: string;
  readonly variants: readonly NativeVariantSamples[];
  readonly failures: readonly NativeFailure[];
}

export interface NativeSamples {
  readonly command: "native";
  readonly environment: Environment;
  readonly workloads: readonly NativeWorkloadSamples[];
}

type Note = (line: string) => void;

export async function measureNative(options: NativeOptions, note: Note): Promise<NativeSamples> {
  if (options.python !== null) requirePyTorch(options.python);
  const directory = mkdtempSync(join(tmpdir(), "tfjs-qat-bench-"));
  try {
    const workloads: NativeWorkloadSamples[] = [];
    const versions: Versions = { torch: null, tensorflow: null };
    for (const workload of NATIVE_WORKLOADS) {
      if (!options.workloads.includes(workload.name)) continue;
      const run = new NativeRun(workload, join(directory, workload.name), options);
      workloads.push(await run.measure(note));
      versions.torch ??= run.versions.torch;
      versions.tensorflow ??= run.versions.tensorflow;
    }
    const environment = environmentOf({ ...versions, threads: options.threads });
    return { command: "native", environment, workloads };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

interface Versions {
  torch: string | null;
  tensorflow: string | null;
}

/** One variant's process while it is measured. */
interface Runner {
  readonly variant: NativeVariant;
  readonly child: Child;
  readonly warmUp: NativeWarmUp;
  readonly turns: (readonly number[])[];
}

/** One workload's processes. */
class NativeRun {
  readonly #workload: NativeWorkload;
  readonly #directory: string;
  readonly #options: NativeOptions;
  readonly #children: Child[] = [];
  readonly #failures: NativeFailure[] = [];
  readonly versions: Versions = { torch: null, tensorflow: null };

  constructor(workload: NativeWorkload, directory: string, options: NativeOptions) {
    this.#workload = workload;
    this.#directory = directory;
    this.#options = options;
  }

  async measure(note: Note): Promise<NativeWorkloadSamples> {
    const { name, title } = this.#workload;
    await this.#writeData();
    try {
      const variants: NativeVariantSamples[] = [];
      for (const group of groupsOf(this.#workload, this.#options.python !== null)) {
        variants.push(...(await this.#measureGroup(group, note)));
      }
      return { workload: name, title, variants, failures: this.#failures };
    } finally {
      for (const child of this.#children) child.kill();
    }
  }

  async #measureGroup(group: readonly NativeVariant[], note: Note) {
    const runners: Runner[] = [];
    for (const variant of group) {
      const runner = await this.#start(variant, note);
      if (runner !== null) runners.push(runner);
    }
    await this.#takeTurns(runners, note);
    const samples: NativeVariantSamples[] = [];
    for (const { child, variant, warmUp, turns } of runners) {
      const memory = await child.request<NativeFinish>({ command: "finish" });
      await child.close();
      samples.push({ ...variant, warm_up: warmUp, turns, peak_bytes: memory.peakBytes });
    }
    return samples;
  }

  async #writeData(): Promise<void> {
    const { model, program, steps, warmUpSteps } = this.#workload;
    if (model === null) {
      writeLstmData(LSTM_SIZE, this.#directory);
      return;
    }
    prepareWorkload(model, this.#directory);
    if (program === "gnmt.py") await writeInitialWeights(model, this.#directory);
    const count = Math.max(steps, warmUpSteps);
    const batches = await trainingBatches(model, this.#directory, count);
    writeFileSync(join(this.#directory, "batches.json"), JSON.stringify(batches));
  }

  /** Starts a variant and warms it up. @returns null where only this variant cannot be measured */
  async #start(variant: NativeVariant, note: Note): Promise<Runner | null> {
    const { name, warmUpSteps } = this.#workload;
    const label = labelOf(variant);
    const child = this.#child(variant, label);
    this.#children.push(child);
    try {
      const { version } = await child.request<NativeStart>({ command: "start" });
      this.versions[isPyTorch(variant.mode) ? "torch" : "tensorflow"] ??= version;
      const request: NativeRequest = { command: "warm", steps: warmUpSteps };
      const warmUp = await child.request<NativeWarmUp>(request);
      assertCaptured(variant, warmUp);
      const seconds = warmUp.milliseconds.map((ms) => (ms / 1000).toFixed(2)).join(" ");
      note(`${name} warm-up ${label}: ${seconds} s, loss ${warmUp.losses.at(-1)!.toFixed(4)}`);
      return { variant, child, warmUp, turns: [] };
    } catch (error) {
      // What torch.compile makes of a program is its own affair.
      if (variant.mode !== "torch compiled" || !(error instanceof ChildError)) throw error;
      child.kill();
      this.#failures.push({ ...variant, reason: error.message.split("\n").at(-1)! });
      note(`${name} ${label}: ${error.message}`);
      return null;
    }
  }

  async #takeTurns(runners: readonly Runner[], note: Note): Promise<void> {
    const { name, steps, turns: usual } = this.#workload;
    const count = this.#options.turns ?? usual;
    for (let turn = 1; turn <= count; turn++) {
      for (const { variant, child, turns } of runners) {
        const request: NativeRequest = { command: "turn", steps };
        const { milliseconds } = await child.request<NativeTurn>(request);
        turns.push(milliseconds);
        const label = `${name} ${turn}/${count} ${labelOf(variant)}`;
        note(`${label}: ${median(milliseconds).toFixed(0)} ms/step`);
      }
    }
  }

  #child({ mode, quantized }: NativeVariant, label: string): Child {
    const { threads, python } = this.#options;
    const [directory, { model: workload, program }] = [this.#directory, this.#workload];
    const common = { quantized, workload, directory, threads };
    if (isPyTorch(mode)) {
      const compiled = mode === "torch compiled";
      return startPyTorch(python!, label, { ...common, program, compiled });
    }
    const job: NativeJob = { ...common, mode };
    return Child.ofModule(label, "./native-process.ts", job, measuringEnvironment(threads));
  }
}

function labelOf({ mode, quantized }: NativeVariant): string {
  return `${mode} ${quantized ? "qat" : "float"}`;
}

/** A step that is to be measured as a graph must have become one. */
function assertCaptured({ mode }: NativeVariant, { losses, notices }: NativeWarmUp): void {
  if (mode !== "captured" && mode !== "xla") return;
  const isOther = (line: string): boolean => captureSeconds([line]) === null;
  if (notices.length > 0 && !notices.some(isOther)) return;
  throw new ChildError(
    `bench native: expected the step as a captured graph within ${losses.length} steps, received ` +
      `${notices.length === 0 ? "none" : notices.join("; ")}. ` +
      "See docs/native.md for what a step may do.",
  );
}

/** Seconds that tracing and loading took, as the notice of a captured step tells; null without one. */
export function captureSeconds(notices: readonly string[]): number | null {
  const times = notices.flatMap((line) => /: captured .* in (\d+) ms$/.exec(line)?.[1] ?? []);
  return times.length === 0 ? null : sum(times.map(Number)) / 1000;
}
