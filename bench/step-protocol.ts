/** What the step benchmark and its measuring processes tell each other. */
import type { MemoryUse } from "./serve.ts";
import type { Workload } from "./workloads.ts";

export type StepVariant = "stock" | "float" | "qat" | "compositions" | "torch float" | "torch qat";

/** Given to a process when it starts. */
export interface StepJob {
  readonly variant: StepVariant;
  readonly workload: Workload;
  /** Where the workload's files and `batches.json` are. */
  readonly directory: string;
}

export type StepRequest =
  { readonly command: "start" | "finish" } | { readonly command: "turn"; readonly steps: number };

/** Answer to `start`. */
export interface StepStart {
  readonly version: string | null;
  /** Our operations that run as kernels, and those that do not; null for programs not ours. */
  readonly kernels: readonly string[] | null;
  readonly fallbacks: readonly string[] | null;
}

/** Answer to `turn`: milliseconds of each step but the first. */
export interface StepTurn {
  readonly milliseconds: readonly number[];
}

/** Answer to `finish`. */
export type StepFinish = MemoryUse;
