/** The backend that a recipe names. */
import { type BackendOptions, describeBackend, selectBackend } from "../backends/select.ts";
import type { RunReporter } from "./run-reporter.ts";
import type { Recipe } from "./schema.ts";

/** Starts it and says what runs. @returns TensorFlow.js' name of the backend */
export async function startBackend({ run }: Recipe, reporter: RunReporter): Promise<string> {
  const report = await selectBackend(run.backend, {
    threads: run.threads,
    memoryGrowth: run.memory_growth,
    logLevel: run.tf_log_level as BackendOptions["logLevel"],
  });
  if (report.notice !== null) reporter.note(report.notice);
  reporter.note(describeBackend(report));
  return report.backend;
}
