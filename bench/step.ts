/** Time of a training step: variants take turns, each in a process of its own. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Child, ChildError } from "./child-process.ts";
import { environmentOf, type Environment } from "./environment.ts";
import { requirePyTorch, startPyTorch } from "./python.ts";
import { SLOW_TURN_STEPS, STEP_TURNS, TURN_STEPS } from "./settings.ts";
import { sum } from "./statistics.ts";
import type {
  StepFinish,
  StepJob,
  StepRequest,
  StepStart,
  StepTurn,
  StepVariant,
} from "./step-protocol.ts";
import { prepareWorkload, trainingBatches, WORKLOADS, type Workload } from "./workloads.ts";

/** Everything that one variant gave. */
export interface VariantSamples {
  readonly variant: StepVariant;
  readonly kernels: readonly string[] | null;
  readonly fallbacks: readonly string[] | null;
  /** Milliseconds of each counted step, turn by turn. */
  readonly turns: readonly (readonly number[])[];
  /** Target tokens of the counted steps of a turn. */
  readonly tokens_per_turn: number;
  readonly peak_bytes: number;
  /** Size of the wasm backend's memory; null where there is none. */
  readonly heap_bytes: number | null;
}

export interface WorkloadSamples {
  readonly workload: string;
  readonly title: string;
  readonly variants: readonly VariantSamples[];
}

export interface StepSamples {
  readonly command: "step";
  readonly environment: Environment;
  readonly workloads: readonly WorkloadSamples[];
}

type Note = (line: string) => void;

export async function measureSteps(python: string | null, note: Note): Promise<StepSamples> {
  if (python !== null) requirePyTorch(python);
  const directory = mkdtempSync(join(tmpdir(), "tfjs-qat-bench-"));
  try {
    const workloads: WorkloadSamples[] = [];
    let torch: string | null = null;
    for (const workload of WORKLOADS) {
      const run = new WorkloadRun(workload, join(directory, workload.name), python);
      workloads.push(await run.measure(note));
      torch ??= run.torchVersion;
    }
    return { command: "step", environment: environmentOf({ torch }), workloads };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** One variant's process while it is measured. */
interface Runner {
  readonly variant: StepVariant;
  readonly steps: number;
  readonly child: Child;
  readonly start: StepStart;
  readonly turns: (readonly number[])[];
}

class WorkloadRun {
  readonly #workload: Workload;
  readonly #directory: string;
  readonly #python: string | null;
  readonly #children: Child[] = [];
  torchVersion: string | null = null;

  constructor(workload: Workload, directory: string, python: string | null) {
    this.#workload = workload;
    this.#directory = directory;
    this.#python = python;
  }

  async measure(note: Note): Promise<WorkloadSamples> {
    const { name, title } = this.#workload;
    prepareWorkload(this.#workload, this.#directory);
    const batches = await trainingBatches(this.#workload, this.#directory, TURN_STEPS);
    writeFileSync(join(this.#directory, "batches.json"), JSON.stringify(batches));
    const tokens = batches.map(({ targetLengths }) => sum(targetLengths));
    try {
      const runners: Runner[] = [];
      for (const variant of this.#variants()) runners.push(await this.#start(variant));
      for (let turn = 1; turn <= STEP_TURNS; turn++) {
        for (const runner of runners) await takeTurn(runner, `${name} ${turn}/${STEP_TURNS}`, note);
      }
      const variants: VariantSamples[] = [];
      for (const runner of runners) {
        const { child, steps, variant, start, turns } = runner;
        const memory = await child.request<StepFinish>({ command: "finish" });
        await child.close();
        variants.push({
          ...{ variant, kernels: start.kernels, fallbacks: start.fallbacks, turns },
          tokens_per_turn: sum(tokens.slice(1, steps)),
          peak_bytes: memory.peakBytes,
          heap_bytes: memory.heapBytes,
        });
      }
      return { workload: name, title, variants };
    } finally {
      for (const child of this.#children) child.kill();
    }
  }

  #variants(): StepVariant[] {
    const ours: StepVariant[] = ["stock", "float", "qat"];
    if (this.#workload.name === "reference") ours.push("compositions");
    return this.#python === null ? ours : [...ours, "torch float", "torch qat"];
  }

  async #start(variant: StepVariant): Promise<Runner> {
    const child = this.#child(variant);
    this.#children.push(child);
    const start = await child.request<StepStart>({ command: "start" } satisfies StepRequest);
    this.torchVersion ??= start.version;
    // Where batches differ, every variant must see the same ones.
    const isSlow = variant === "stock" || variant === "compositions";
    const steps = isSlow && this.#workload.name === "reference" ? SLOW_TURN_STEPS : TURN_STEPS;
    return { variant, steps, child, start, turns: [] };
  }

  #child(variant: StepVariant): Child {
    const job: StepJob = { variant, workload: this.#workload, directory: this.#directory };
    if (!variant.startsWith("torch")) {
      const module = variant === "stock" ? "./stock-process.ts" : "./trainer-process.ts";
      return Child.ofModule(variant, module, job);
    }
    return startPyTorch(this.#python!, variant, {
      program: "transformer.py",
      workload: this.#workload,
      directory: this.#directory,
      quantized: variant === "torch qat",
      compiled: false,
      threads: 1,
    });
  }
}

async function takeTurn(runner: Runner, label: string, note: Note): Promise<void> {
  const request: StepRequest = { command: "turn", steps: runner.steps };
  const { milliseconds } = await runner.child.request<StepTurn>(request);
  if (milliseconds.length !== runner.steps - 1) {
    throw new ChildError(
      `process "${runner.variant}": expected ${runner.steps - 1} timed steps, received ` +
        `${milliseconds.length}. Check how it reports its steps.`,
    );
  }
  runner.turns.push(milliseconds);
  note(
    `${label} ${runner.variant}: ${(sum(milliseconds) / milliseconds.length).toFixed(0)} ms/step`,
  );
}
