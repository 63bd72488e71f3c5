/** From which step to which a run goes. */
import { ConfigError } from "../errors.ts";
import type { RunProgress } from "./training-state.ts";

/** Steps are counted from the first run of the model. */
export interface RunSpan {
  readonly initialStep: number;
  readonly targetStep: number;
}

/**
 * The span of a run of `trainSteps` steps: from `initialStep`, else from where the run that is
 * resumed started, else from 0. The same settings after an interruption give the same span.
 * @param saved the run that is resumed, or null
 * @throws {ConfigError} if the run would start after the checkpoint that it is to go on from
 */
export function runSpan(
  initialStep: number | null,
  trainSteps: number,
  saved: RunProgress | null,
): RunSpan {
  const start = initialStep ?? saved?.initial_step ?? 0;
  if (saved !== null && start > saved.step) {
    throw new ConfigError(
      `initial_global_step: expected at most ${saved.step}, the step of the checkpoint in ` +
        `model_dir, received ${start}. Leave it out to resume, or train in another model_dir.`,
    );
  }
  return { initialStep: start, targetStep: start + trainSteps };
}
