/** All that a run needs besides the weights to continue exactly, and its file. */
import { z } from "zod";
import { FormatError } from "../errors.ts";
import { parseJson } from "../formats/json.ts";
import { writeSafetensors, type SafeTensor, type SafetensorsFile } from "../formats/safetensors.ts";
import type { OptimizerState } from "./optimizer.ts";

const count = z.int().min(0);

const entry = z.strictObject({
  name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/),
  step: count,
  score: z.number().optional(),
});

const progressSchema = z.strictObject({
  version: z.literal(1),
  /** Step of the checkpoint. */
  step: count,
  /** Step that the run started at, and the one it goes to. */
  initial_step: count,
  target_step: count,
  /** Updates that the optimizer has made. */
  optimizer_step: count,
  /** Seed of dropout. */
  seed: count,
  data: z.strictObject({ seed: count, epoch: count, batch: count, fingerprint: z.string() }),
  /** Sums since the last summary. */
  window: z.strictObject({
    steps: count,
    loss: z.number(),
    task_loss: z.number(),
    clip_penalty: z.number(),
    gradient_norm: z.number(),
  }),
  validation: z.strictObject({
    /** Step of the last validation, or null. */
    last_step: count.nullable(),
    best: z.array(entry),
    best_average: z.array(entry),
    /** Validated checkpoints that the average is taken of. */
    recent: z.array(entry),
    /** Worse validations in a row. */
    worse: count,
    stopped_early: z.boolean(),
  }),
});

/** The part of the state that is numbers and names; JSON in the file's metadata. */
export type RunProgress = Readonly<z.output<typeof progressSchema>>;

/** State of the validation in {@link RunProgress}. */
export type ValidationProgress = RunProgress["validation"];

/** Sums over the steps since the last summary. */
export type SummaryWindow = RunProgress["window"];

/** What `ckpt-<step>.state.safetensors` holds. */
export interface TrainingState {
  readonly progress: RunProgress;
  readonly optimizer: OptimizerState;
}

const METADATA_KEY = "training_state";

/** The bytes of a state file: slots as 1-D tensors, the rest as JSON. The same state, the same bytes. */
export function stateFileOf({ progress, optimizer }: TrainingState): Uint8Array {
  const tensors = [...optimizer.slots].map(
    ([name, data]) => [name, { dtype: "F32", shape: [data.length], data }] as const,
  );
  return writeSafetensors(tensors, { [METADATA_KEY]: JSON.stringify(progress) });
}

/**
 * The state that a file holds.
 * @throws {FormatError} if the file is a safetensors file but not a training state of this version
 */
export function trainingStateOf(file: SafetensorsFile, where: string): TrainingState {
  const json = file.metadata[METADATA_KEY];
  const parsed = progressSchema.safeParse(
    json === undefined ? null : parseJson(json, `${where}, ${METADATA_KEY}`),
  );
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    throw new FormatError(
      `${where}: expected a training state of version 1, received another value at ` +
        `"${issue.path.join(".")}" (${issue.message}). Restore the file from a copy.`,
    );
  }
  const slots = new Map([...file.tensors].map(([name, tensor]) => [name, floats(tensor, where)]));
  return { progress: parsed.data, optimizer: { step: parsed.data.optimizer_step, slots } };
}

function floats(tensor: SafeTensor, where: string): Float32Array {
  if (tensor.dtype === "F32") return tensor.data;
  throw new FormatError(
    `${where}: expected float32 optimizer slots, received ${tensor.dtype}. ` +
      "Restore the file from a copy.",
  );
}
