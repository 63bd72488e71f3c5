/** A recipe's learning rate schedule as a function of the step. */
import type { RunSpan } from "../train/run-span.ts";
import {
  inverseSqrtSchedule,
  linearSchedule,
  multiStepSchedule,
  noamSchedule,
  piecewiseSchedule,
  type Schedule,
} from "../train/schedule.ts";
import type { Recipe } from "./schema.ts";

/** Makes the schedule of a recipe for a model of that width and a run of that span. */
export function scheduleOf(
  settings: Recipe["lr_schedule"],
  width: number,
  { initialStep, targetStep }: RunSpan,
): Schedule {
  switch (settings.class) {
    case "noam":
      return noamSchedule({
        dmodel: settings.dmodel ?? width,
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
        firstStep: initialStep,
        lastStep:
          settings.total_steps === undefined ? targetStep : initialStep + settings.total_steps,
      });
    case "warmup_multi_step":
      return multiStepSchedule({
        peakRate: settings.peak_lr,
        warmupSteps: settings.warmup_steps,
        remainSteps: settings.remain_steps,
        decayInterval: settings.decay_interval,
        decaySteps: settings.decay_steps,
        decayFactor: settings.decay_factor,
        firstStep: initialStep,
        lastStep: targetStep,
      });
  }
}
