/** Text that models are calibrated, refined and judged on while they are quantized: never test text. */
import type { PairExample } from "../data/parallel-text.ts";
import { ConfigError } from "../errors.ts";
import { requiredDataset } from "./run-report.ts";
import type { RunReporter } from "./run-reporter.ts";
import type { Recipe } from "./schema.ts";
import { refuseTestText } from "./test-text.ts";
import { NO_LIMITS, readPairs, readSourceText, type TranslationTask } from "./translation-task.ts";

/** Which text. */
export interface HeldOutRequest {
  /** Settings by flag name: `src_file`, `trg_file`, `beam_size`, `backend` … */
  readonly flags: Readonly<Record<string, unknown>>;
  /** Most sentences, from the first line; null: all. */
  readonly limit: number | null;
  /** True takes text that has the name of test data. */
  readonly allowTestText: boolean;
}

/** The text as it was read. */
export interface HeldOutText {
  readonly pairs: readonly PairExample[];
  readonly sources: readonly Int32Array[];
  readonly references: readonly string[];
  /** Lines of the whole text. */
  readonly lines: number;
  /** Such as `1220 sentences of dev.en`, or what part of it. */
  readonly description: string;
}

/**
 * Reads the data set of a recipe, and says so where the limit leaves lines out.
 * @throws {ConfigError} for test text, and for a source alone; {@link DataError} for bad files
 */
export async function readHeldOutText(
  task: TranslationTask,
  recipe: Recipe,
  { limit, allowTestText }: HeldOutRequest,
  reporter: RunReporter,
): Promise<HeldOutText> {
  const dataset = requiredDataset(recipe);
  if (!allowTestText) await refuseTestText(dataset.src_file);
  if (dataset.trg_file === undefined) {
    throw new ConfigError(
      "quantize: expected trg_file beside src_file, received a source alone. Give --trg_file.",
    );
  }
  const { examples } = await readPairs(task, dataset, NO_LIMITS);
  const { sources, references } = await readSourceText(task, dataset);
  const lines = sources.length;
  const count = Math.min(limit ?? Infinity, lines);
  if (count < lines) reporter.note(`quantize: partial, ${count} of ${lines} sentences`);
  const part = count < lines ? `the first ${count} of ${lines}` : String(count);
  return {
    pairs: examples.slice(0, count),
    sources: sources.slice(0, count),
    references: references!.slice(0, count),
    lines,
    description: `${part} sentences of ${dataset.src_file}`,
  };
}
