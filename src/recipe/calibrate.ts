/** Collects statistics of a trained model while it does what it will do when deployed. */
import { existsSync, statSync } from "node:fs";
import { writeFileAtomic } from "../data/atomic-file.ts";
import { fileHash } from "../data/file-hash.ts";
import type { PairExample } from "../data/parallel-text.ts";
import { ConfigError, DataError } from "../errors.ts";
import { formatStatisticsYaml } from "../formats/distiller-statistics.ts";
import { formatHistograms, histogramsPath } from "../formats/statistics-histograms.ts";
import { shortPath } from "../models/layer-paths.ts";
import type { Seq2SeqModel } from "../models/model.ts";
import { createModelScorer } from "../models/scorer.ts";
import { watchModel } from "../models/watched-model.ts";
import { StatisticsCollector } from "../quant/statistics-collector.ts";
import {
  type CalibrationSettings,
  loadCalibrationState,
  removeCalibrationState,
  saveCalibrationState,
} from "./calibration-state.ts";
import { sentenceLosses } from "./evaluate.ts";
import { loadModel, type LoadedModel } from "./load-model.ts";
import { requiredDataset, sentencesPerBatch } from "./run-report.ts";
import type { RunReporter } from "./run-reporter.ts";
import type { Recipe } from "./schema.ts";
import { recipeOfModel } from "./sources.ts";
import { startBackend } from "./start-backend.ts";
import { refuseTestText } from "./test-text.ts";
import { translate } from "./translate.ts";
import { NO_LIMITS, readPairs, readSourceText } from "./translation-task.ts";

/** What is collected, and how. */
export interface CalibrateTextOptions {
  /** Settings by flag name: `src_file`, `trg_file`, `beam_size`, `backend` … */
  readonly flags: Readonly<Record<string, unknown>>;
  /** YAML file to write; histograms and, on the way, the state go beside it. */
  readonly output: string;
  /** Most sentences, from the first line; null: all. */
  readonly limit?: number | null;
  /** True takes text that has the name of test data. */
  readonly allowTestText?: boolean;
  /** Batches between two saved states. */
  readonly saveEvery?: number;
  readonly reporter: RunReporter;
  readonly signal?: AbortSignal | undefined;
}

/** What was collected. */
export interface CalibrationReport {
  readonly output: string;
  readonly histograms: string;
  readonly backend: string;
  /** `search`: the model's own translations; `reference`: those of trg_file. */
  readonly mode: "search" | "reference";
  readonly operations: number;
  readonly sentences: number;
  /** Lines of the text. */
  readonly lines: number;
  /** True where the limit left lines out. */
  readonly partial: boolean;
  /** Sentences that an earlier, interrupted call had done. */
  readonly resumed_sentences: number;
}

/** A text, cut into batches, and what to do with each. */
interface Work {
  readonly mode: CalibrationReport["mode"];
  readonly sentences: number;
  readonly lines: number;
  readonly batches: readonly (readonly number[])[];
  readonly run: (model: Seq2SeqModel, batch: readonly number[]) => Promise<unknown>;
}

/**
 * Runs the model over a text in float and writes the statistics of all its operations: of its own
 * search, or with `trg_file` of the references. A call that was interrupted goes on where its state
 * is, and comes to the same bytes.
 *
 * @param path a model directory or a checkpoint file
 * @throws {ConfigError} for test text, and for the state of another calibration; the signal's reason,
 *   once the state is saved
 */
export async function calibrateText(
  path: string,
  options: CalibrateTextOptions,
): Promise<CalibrationReport> {
  const { reporter, output } = options;
  refuseDirectory(output);
  const { recipe } = recipeOfModel(path, options.flags);
  const dataset = requiredDataset(recipe);
  if (options.allowTestText !== true) await refuseTestText(dataset.src_file);
  const backend = await startBackend(recipe, reporter);
  const loaded = loadModel(path, recipe);
  try {
    const work = await workOf(loaded, recipe, options);
    const { sentences, lines, mode } = work;
    const partial = sentences < lines;
    if (partial) reporter.note(`calibrate: partial, ${sentences} of ${lines} sentences`);
    const settings = await settingsOf(loaded, recipe, { ...work, backend });
    const collector = new StatisticsCollector(shortPath);
    const resumed = await collect(collector, loaded, work, settings, options);
    const statistics = collector.statistics();
    const histograms = histogramsPath(output);
    writeFileAtomic(histograms, formatHistograms(statistics));
    writeFileAtomic(output, formatStatisticsYaml(statistics));
    removeCalibrationState(statePath(output));
    const figures = { operations: statistics.size, sentences, lines, partial };
    return { output, histograms, backend, mode, ...figures, resumed_sentences: resumed };
  } finally {
    loaded.model.dispose();
  }
}

/** @returns sentences that an earlier call had done */
async function collect(
  collector: StatisticsCollector,
  { model, task }: LoadedModel,
  { batches, sentences, run }: Work,
  settings: CalibrationSettings,
  { output, reporter, saveEvery = 8, signal }: CalibrateTextOptions,
): Promise<number> {
  const path = statePath(output);
  const before = loadCalibrationState(path, settings);
  collector.restore(before?.collected ?? []);
  const watched = watchModel(model, collector, { targetPadding: task.special.eos });
  const done = (count: number): number => batches.slice(0, count).flat().length;
  const progress = reporter.progress("calibrate", "sentences");
  const first = before?.batches ?? 0;
  const save = (count: number): void => {
    saveCalibrationState(path, { settings, batches: count, collected: collector.state() });
  };
  // A place that cannot be written to is told before the work, not after it.
  if (before === null) save(0);
  progress.update(done(first), sentences);
  for (let i = first; i < batches.length; i++) {
    if (signal?.aborted === true) save(i);
    signal?.throwIfAborted();
    // A batch runs to its end: half of one could not be taken up.
    await run(watched, batches[i]!);
    progress.update(done(i + 1), sentences);
    if ((i + 1 - first) % saveEvery === 0) save(i + 1);
    // Lets signals in.
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  progress.end();
  return done(first);
}

async function workOf(
  { task }: LoadedModel,
  recipe: Recipe,
  { limit }: CalibrateTextOptions,
): Promise<Work> {
  const dataset = requiredDataset(recipe);
  const batchSentences = sentencesPerBatch(recipe);
  const most = limit ?? Infinity;
  if (dataset.trg_file !== undefined) {
    const all = (await readPairs(task, dataset, NO_LIMITS)).examples;
    const examples = all.slice(0, most);
    return {
      ...{ mode: "reference", sentences: examples.length, lines: all.length },
      batches: lengthBatches(examples, batchSentences, pairLength),
      run: (model, batch) => {
        const pairs = batch.map((i) => examples[i]!);
        return sentenceLosses(model, pairs, { task, batchSentences, labelSmoothing: 0 });
      },
    };
  }
  const all = (await readSourceText(task, dataset)).sources;
  const sources = all.slice(0, most);
  const { search_method: search, run } = recipe;
  return {
    ...{ mode: "search", sentences: sources.length, lines: all.length },
    batches: lengthBatches(sources, batchSentences, ({ length }) => length),
    run: async (model, batch) => {
      const scorer = createModelScorer(model, "values");
      try {
        const own = batch.map((i) => sources[i]!);
        await translate(scorer, own, { task, search, batchSentences, seed: run.seed });
      } finally {
        scorer.close();
      }
    },
  };
}

function pairLength({ source, target }: PairExample): number {
  return Math.max(source.length, target.length);
}

/** Indices of examples in batches of similar length, longest first. */
function lengthBatches<T>(
  examples: readonly T[],
  size: number,
  lengthOf: (example: T) => number,
): number[][] {
  if (examples.length === 0) {
    throw new DataError(
      "calibrate: expected sentences, received none. Check the text and --limit.",
    );
  }
  const lengths = examples.map(lengthOf);
  const order = lengths.map((_, i) => i).sort((a, b) => lengths[b]! - lengths[a]! || a - b);
  return Array.from({ length: Math.ceil(order.length / size) }, (_, i) =>
    order.slice(i * size, (i + 1) * size),
  );
}

/** Everything that the statistics depend on. */
async function settingsOf(
  { weightsPath }: LoadedModel,
  recipe: Recipe,
  { mode, sentences, backend }: Pick<Work, "mode" | "sentences"> & { readonly backend: string },
): Promise<CalibrationSettings> {
  const { src_file: source, trg_file: target } = requiredDataset(recipe);
  return {
    ...{ mode, sentences, backend, batch_sentences: sentencesPerBatch(recipe) },
    model_sha256: await fileHash(weightsPath),
    source_sha256: await fileHash(source),
    target_sha256: target === undefined ? null : await fileHash(target),
    search_method: mode === "search" ? JSON.stringify(recipe.search_method) : null,
    seed: mode === "search" ? recipe.run.seed : null,
  };
}

function refuseDirectory(output: string): void {
  if (!existsSync(output) || !statSync(output).isDirectory()) return;
  throw new ConfigError(
    `--output: expected a file to write, received ${output}, which is a directory. ` +
      "Give the name of a YAML file in it.",
  );
}

function statePath(output: string): string {
  return `${output}.state`;
}
