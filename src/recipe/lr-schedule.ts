/** A recipe's learning rate schedule as a function of the step. */
import {
  inverseSqrtSchedule,
  linearSchedule,
  noamSchedule,
  piecewiseSchedule,
  type Schedule,
} from "../train/schedule.ts";
import type { Recipe } from "./schema.ts";

/** What a schedule needs to know of the run. */
export interface RunLength {
  /** The model's width. */
  readonly width: number;
  /** Step at which the run starts and at which it ends. */
  readonly firstStep: number;
  readonly lastStep: number;
}

/** Makes the schedule of a recipe. */
export function scheduleOf(settings: Recipe["lr_schedule"], run: RunLength): Schedule {
  switch (settings.class) {
    case "noam":
      return noamSchedule({
        dmodel: settings.dmodel ?? run.width,
        warmupSteps: settings.warmup_steps,
        initialFactor: settings.initial_factor,
        endFactor: settings.end_factor,
        startDecayAt: settings.start_decay_at,
        decaySteps: settings.decay_steps,
      });
    case "inverse_sqrt":
      return inverseSqrtSchedule({
        peakRate: settings.peak_lr,
        initialRate: settings.init_lr,
        warmupSteps: settings.warmup_steps,
      });
    case "piecewise_linear":
      return piecewiseSchedule({ steps: settings.schedule_steps, rates: settings.schedule_lrs });
    case "linear":
      return linearSchedule({
        peakRate: settings.peak_lr,
        endRate: settings.end_lr,
        warmupSteps: settings.warmup_steps,
        firstStep: run.firstStep,
        lastStep:
          settings.total_steps === undefined ? run.lastStep : run.firstStep + settings.total_steps,
      });
  }
}
