/** Shows a training run to whoever watches. */
import type { ValidationOutcome } from "../train/best-checkpoints.ts";
import type { TrainResult } from "../train/train-options.ts";
import type { Trainer } from "../train/trainer.ts";
import type { RunContext } from "./run-report.ts";

/** Runs a trainer and reports steps, validations and notices. */
export async function watchTraining(
  trainer: Trainer,
  { reporter, signal }: RunContext,
): Promise<TrainResult> {
  const first = trainer.step;
  if (trainer.resumedFrom !== null) reporter.note(`resumed from step ${trainer.resumedFrom}`);
  const total = trainer.targetStep - first;
  let bar = reporter.progress("train", "steps");
  let needsNewBar = false;
  const result = await trainer.train(
    {
      onStep: ({ step, taskLoss, clipPenalty, tokensPerSecond }) => {
        if (needsNewBar) bar = reporter.progress("train", "steps");
        needsNewBar = false;
        const penalty = clipPenalty === 0 ? "" : ` + ${clipPenalty.toFixed(4)} for clips`;
        const note = `step ${step}  loss ${taskLoss.toFixed(4)}${penalty}  ${tokensPerSecond.toFixed(0)} tokens/s`;
        bar.update(step - first, total, note);
      },
      onValidation: (outcome) => {
        needsNewBar = true;
        reporter.note(describeValidation(outcome));
      },
      onNotice: (message) => {
        reporter.note(message);
      },
    },
    signal,
  );
  bar.end();
  return result;
}

/** One line about a validation. */
export function describeValidation({
  step,
  validation,
  isBest,
  average,
}: ValidationOutcome): string {
  const metrics = Object.entries(validation.metrics)
    .map(([name, value]) => `${name} ${value.toFixed(4)}`)
    .join("  ");
  const mean = average === null ? "" : `; average ${average.validation.score.toFixed(4)}`;
  return `step ${step}: ${metrics}${isBest ? "  (best so far)" : ""}${mean}`;
}
