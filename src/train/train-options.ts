/** What a training run is made of, and what it tells while it runs. */
import type { BatchStream } from "../data/batch-stream.ts";
import type { CaptureOptions } from "../graph/captured-step.ts";
import type { Criterion } from "../models/loss.ts";
import type { Seq2SeqModel } from "../models/model.ts";
import type { QuantConfig } from "../quant/config.ts";
import type { BestOptions, ValidationOutcome } from "./best-checkpoints.ts";
import type { CheckpointEntry } from "./checkpoint-index.ts";
import type { AdamOptions } from "./optimizer.ts";
import type { RunSpan } from "./run-span.ts";
import type { Schedule } from "./schedule.ts";
import type { Validator } from "./validator.ts";

/** When and how checkpoints are judged. */
export interface ValidationOptions extends BestOptions {
  readonly validator: Validator;
  /** Validate at multiples of this step, and always at the last one. */
  readonly everySteps: number;
  /** First step that may be validated (the last step always is). */
  readonly startAt: number;
  /** True judges the model before the first step, as a candidate like the others. */
  readonly onBegin: boolean;
  /** Worse validations in a row that end the run; 0: never. */
  readonly patience: number;
}

/** All settings of a run. */
export interface TrainerOptions {
  readonly model: Seq2SeqModel;
  /** Settings that the model was built with; null for float. */
  readonly quant: QuantConfig | null;
  readonly batches: BatchStream;
  readonly modelDir: string;
  /** Directory of the TensorBoard file [default: `train` in the model directory]. */
  readonly tensorboardDir?: string | undefined;
  /** Seed of dropout. */
  readonly seed: number;
  /** Step that the run starts at; null: 0, or that of the run that is resumed. */
  readonly initialStep: number | null;
  /** Length of the run: it ends at the step initialStep + trainSteps. */
  readonly trainSteps: number;
  /** Makes the schedule of the run's span, which starts where a resumed run was first started. */
  readonly schedule: (span: RunSpan) => Schedule;
  readonly adam: AdamOptions;
  readonly criterion: Criterion;
  /** Batches whose gradients make one step. */
  readonly updateCycle: number;
  /** Largest global norm of the gradients of weights, or null. */
  readonly clipNorm: number | null;
  /** Largest absolute value in the gradients of weights, or null. */
  readonly clipValue: number | null;
  /** Regular expression: variables with a matching name are not trained; or null. */
  readonly freezeVariables: string | null;
  readonly summarySteps: number;
  readonly checkpointSteps: number;
  readonly checkpointsToKeep: number;
  readonly validation: ValidationOptions | null;
  /** How steps are captured where the backend can [default: as {@link CaptureOptions} says]. */
  readonly capture?: Omit<CaptureOptions, "name" | "onNotice">;
  /** Seconds since 1970, for rates and TensorBoard's wall time alone [default: the system's]. */
  readonly clock?: () => number;
}

/** One step, as told to whoever watches. */
export interface StepReport {
  readonly step: number;
  readonly targetStep: number;
  /** Task loss and clip penalty. */
  readonly loss: number;
  readonly taskLoss: number;
  readonly clipPenalty: number;
  readonly gradientNorm: number;
  readonly learningRate: number;
  /** Target tokens a second, over this call of `train`; validation not counted. */
  readonly tokensPerSecond: number;
  /** Estimate of the time that the remaining steps take; validation not counted. */
  readonly secondsLeft: number;
}

/** Callbacks of a run; nothing is printed. */
export interface TrainProgress {
  readonly onStep?: (report: StepReport) => void;
  readonly onValidation?: (outcome: ValidationOutcome) => void;
  /** A committed checkpoint. */
  readonly onCheckpoint?: (path: string) => void;
  /** Something that the user should know, in one line. */
  readonly onNotice?: (message: string) => void;
}

/** How a call of `train` ended. */
export interface TrainResult {
  /**
   * `finished`: at the target step. `already_finished`: there was nothing to do. `stopped_early`: by
   * the patience of the validation. `interrupted`: by the signal, with a checkpoint.
   */
  readonly status: "finished" | "already_finished" | "stopped_early" | "interrupted";
  readonly step: number;
  readonly targetStep: number;
  /** The best validated checkpoint in `bestDir`. */
  readonly best: CheckpointEntry | null;
  /** The best average in `averageDir`. */
  readonly bestAverage: CheckpointEntry | null;
}
