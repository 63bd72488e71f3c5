/** Sums over the steps between two summaries; part of the training state. */
import type { StepFigures } from "./train-step.ts";
import type { SummaryWindow } from "./training-state.ts";

/** No step yet. */
export const EMPTY_WINDOW: SummaryWindow = {
  steps: 0,
  loss: 0,
  task_loss: 0,
  clip_penalty: 0,
  gradient_norm: 0,
};

/** The window with one more step. */
export function withStep(window: SummaryWindow, figures: StepFigures): SummaryWindow {
  const { taskLoss, clipPenalty, gradientNorm } = figures;
  return {
    steps: window.steps + 1,
    loss: window.loss + taskLoss + clipPenalty,
    task_loss: window.task_loss + taskLoss,
    clip_penalty: window.clip_penalty + clipPenalty,
    gradient_norm: window.gradient_norm + gradientNorm,
  };
}

/** Means over the window's steps. */
export function meansOf({ steps, ...sums }: SummaryWindow): Record<string, number> {
  return Object.fromEntries(Object.entries(sums).map(([name, sum]) => [name, sum / steps]));
}
