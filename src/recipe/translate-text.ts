/** Translates lines with a trained model. */
import { describeBackend, selectBackend } from "../backends/select.ts";
import { createModelScorer } from "../models/scorer.ts";
import { loadModel } from "./load-model.ts";
import type { RunReporter } from "./run-reporter.ts";
import { recipeOfModel } from "./sources.ts";
import { sentencesPerBatch } from "./run-report.ts";
import { translate, type Translation } from "./translate.ts";

/** How text is translated. */
export interface TranslateTextOptions {
  /** Settings by flag name: `beam_size`, `length_penalty`, `backend` … */
  readonly flags: Readonly<Record<string, unknown>>;
  readonly reporter: RunReporter;
  readonly signal?: AbortSignal | undefined;
}

/** Translations of a text. */
export interface TextTranslations {
  readonly backend: string;
  readonly model: "float" | "quantized" | "int8";
  /** For each line its translations, best first. */
  readonly translations: readonly (readonly Translation[])[];
}

/**
 * Translates lines; an empty line gives what the model makes of it, so that lines stay in step.
 * @param path a model directory, a checkpoint file or an int8 export
 */
export async function translateText(
  path: string,
  lines: readonly string[],
  options: TranslateTextOptions,
): Promise<TextTranslations> {
  const { recipe } = recipeOfModel(path, options.flags);
  const selected = await selectBackend(recipe.run.backend);
  const { backend, notice } = selected;
  if (notice !== null) options.reporter.note(notice);
  options.reporter.note(describeBackend(selected));
  const { model, task, format } = loadModel(path, recipe);
  const scorer = createModelScorer(model);
  try {
    const sources = lines.map((line) => task.source.encode(line));
    const translations = await translate(scorer, sources, {
      task,
      search: recipe.search_method,
      batchSentences: sentencesPerBatch(recipe),
      seed: recipe.run.seed,
      progress: options.reporter.progress("translate", "sentences"),
      signal: options.signal,
    });
    return { backend, model: format, translations };
  } finally {
    scorer.close();
    model.dispose();
  }
}
