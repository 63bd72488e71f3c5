/** What the native benchmark and its measuring processes tell each other. */
import type { MemoryUse } from "./serve.ts";
import type { AnyWorkload } from "./workloads.ts";

/** How our steps run: on which backend, and whether as a captured graph, compiled by XLA or not. */
export type OurMode = "captured" | "xla" | "eager" | "wasm";

/** Given to a process of ours when it starts; PyTorch's is in python.ts. */
export interface NativeJob {
  readonly mode: OurMode;
  readonly quantized: boolean;
  /** The model to train, or null for the LSTM stack. */
  readonly workload: AnyWorkload | null;
  /** Where the workload's data are. */
  readonly directory: string;
  readonly threads: number;
}

export type NativeRequest =
  | { readonly command: "start" | "finish" }
  | { readonly command: "warm" | "turn"; readonly steps: number };

/** Answer to `start`. */
export interface NativeStart {
  /** Of PyTorch, or of the TensorFlow under TensorFlow.js; null on wasm. */
  readonly version: string | null;
}

/** Answer to `turn`: milliseconds of each step but the first, and the losses before all of them. */
export interface NativeTurn {
  readonly milliseconds: readonly number[];
  readonly losses: readonly number[];
}

/** Answer to `warm`: of all steps. */
export interface NativeWarmUp extends NativeTurn {
  /** What the program said of its graphs. */
  readonly notices: readonly string[];
}

/** Answer to `finish`. */
export type NativeFinish = MemoryUse;
