/** What the decoding benchmark and its measuring processes tell each other. */
import type { MemoryUse } from "./serve.ts";

export type DecodeModel = "float" | "int8" | "compositions";

/** Given to a process when it starts. */
export interface DecodeJob {
  readonly model: DecodeModel;
  /** Where an export may be written. */
  readonly directory: string;
}

/** `start` decodes a little to warm up. */
export type DecodeRequest =
  | { readonly command: "start" | "evaluate" | "finish" }
  | { readonly command: "translate"; readonly sentences: number }
  | { readonly command: "length"; readonly length: number };

/** Output tokens of the best hypotheses, or tokens judged, and the time they took. */
export interface TokenTime {
  readonly tokens: number;
  readonly milliseconds: number;
}

/** Answer to `evaluate`. */
export interface EvaluationTime extends TokenTime {
  /** Nats a token. */
  readonly nll: number;
}

/** Answer to `finish`. */
export type DecodeFinish = MemoryUse;
