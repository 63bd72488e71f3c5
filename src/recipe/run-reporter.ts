/** How a run tells what it does; the command line shows it, a library user may ignore it. */

/** One long step. */
export interface StepProgress {
  /** @param note a few words, such as the current loss */
  update(done: number, total: number, note?: string): void;
  /** Ends the step; the last state stays visible. */
  end(): void;
}

/** What a run reports to. */
export interface RunReporter {
  /** A line that stays. */
  note(line: string): void;
  /** @param unit what is counted, such as `sentences` */
  progress(label: string, unit: string): StepProgress;
}

/** Reports nothing. */
export const SILENT: RunReporter = {
  note: () => undefined,
  progress: () => ({ update: () => undefined, end: () => undefined }),
};
