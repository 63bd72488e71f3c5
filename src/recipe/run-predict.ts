/** Entry predict: decodes a data set and scores it. */
import { join } from "node:path";
import { writeFileAtomic } from "../data/atomic-file.ts";
import { ensembleScorer } from "../decode/ensemble.ts";
import type { StepScorer } from "../decode/step-scorer.ts";
import { createModelScorer, type ModelScorer } from "../models/scorer.ts";
import { loadModel, type LoadedModel } from "./load-model.ts";
import { modelDirectoryOf } from "./model-configs.ts";
import {
  requiredDataset,
  requiredModelDirs,
  sentencesPerBatch,
  type RunContext,
  type RunReport,
} from "./run-report.ts";
import type { Recipe } from "./schema.ts";
import { checkSameVocabulary } from "./same-model.ts";
import { scoreText, type TextScore } from "./score-text.ts";
import { translate, type Translation } from "./translate.ts";
import { readSourceText, type SourceText } from "./translation-task.ts";

type PredictEntry = Extract<Recipe["entry"], { class: "predict" }>;

/**
 * Translates the data set, writes hypotheses and metrics, and reports both places. Several model
 * directories are an ensemble: the mean of their probabilities.
 */
export async function runPredict(
  recipe: Recipe,
  entry: PredictEntry,
  { reporter, signal, now }: RunContext,
): Promise<RunReport> {
  const dataset = requiredDataset(recipe);
  const modelDirs = requiredModelDirs(recipe);
  const members = loadMembers(modelDirs, recipe);
  const [loaded] = members as [LoadedModel, ...LoadedModel[]];
  const scorers: ModelScorer[] = [];
  try {
    for (const { model } of members) scorers.push(createModelScorer(model));
    const scorer: StepScorer<unknown> =
      scorers.length === 1 ? scorers[0]! : ensembleScorer(scorers);
    const whole = await readSourceText(loaded.task, dataset);
    const text = firstLines(whole, entry.limit);
    const lines = whole.sources.length;
    const start = now();
    const translations = await translate(scorer, text.sources, {
      task: loaded.task,
      search: recipe.search_method,
      batchSentences: sentencesPerBatch(recipe),
      seed: recipe.run.seed,
      progress: reporter.progress("translate", "sentences"),
      signal,
    });
    const seconds = now() - start;
    const best = translations.map((hypotheses) => hypotheses[0]!.text);
    const score = text.references === null ? null : scoreText(best, text.references, recipe.metric);
    const directory = modelDirectoryOf(modelDirs[0]!);
    const outputFile = entry.output_file ?? join(directory, "hypotheses.txt");
    const metricFile = entry.save_metric ?? join(directory, "metrics.json");
    const figures = {
      ...score,
      sentences: best.length,
      model: loaded.format,
      step: loaded.step,
      ...(members.length > 1 ? { ensemble: members.length } : {}),
      ...(best.length < lines ? { partial: true, lines } : {}),
    };
    writeFileAtomic(outputFile, hypothesisLines(translations));
    writeFileAtomic(metricFile, `${JSON.stringify(figures, null, 2)}\n`);
    const milliseconds = (1000 * seconds) / best.length;
    return {
      json: {
        ...figures,
        bytes: members.reduce((sum, { bytes }) => sum + bytes, 0),
        ms_per_sentence: milliseconds,
        output_file: outputFile,
        save_metric: metricFile,
      },
      text: describe(score, {
        sentences: best.length,
        lines,
        milliseconds,
        outputFile,
        metricFile,
      }),
      interrupted: false,
    };
  } finally {
    for (const scorer of scorers) scorer.close();
    for (const { model } of members) model.dispose();
  }
}

/** The first lines of a text. */
function firstLines({ sources, references }: SourceText, limit = Infinity): SourceText {
  return { sources: sources.slice(0, limit), references: references?.slice(0, limit) ?? null };
}

/** The first model as the recipe has it; further ones as their own directories say. */
function loadMembers(directories: readonly string[], recipe: Recipe): LoadedModel[] {
  const members: LoadedModel[] = [];
  try {
    for (const [i, directory] of directories.entries()) {
      members.push(loadModel(directory, i === 0 ? recipe : undefined));
      if (i > 0) checkSameVocabulary(modelDirectoryOf(directory), members[0]!.task);
    }
    return members;
  } catch (error) {
    for (const { model } of members) model.dispose();
    throw error;
  }
}

/** One line for each source; with several hypotheses `source ||| text ||| score` lines, best first. */
function hypothesisLines(translations: readonly (readonly Translation[])[]): string {
  const isNBest = translations.some((hypotheses) => hypotheses.length > 1);
  const lines = translations.flatMap((hypotheses, source) =>
    isNBest
      ? hypotheses.map(({ text, score }) => `${source} ||| ${text} ||| ${score.toFixed(6)}`)
      : [hypotheses[0]!.text],
  );
  return lines.map((line) => `${line}\n`).join("");
}

function describe(
  score: TextScore | null,
  at: {
    sentences: number;
    lines: number;
    milliseconds: number;
    outputFile: string;
    metricFile: string;
  },
): string {
  const lines =
    score === null ? [] : [`${score.name} = ${score.score.toFixed(2)}`, score.signature];
  const isPartial = at.sentences < at.lines;
  return [
    ...lines,
    ...(isPartial
      ? [`PARTIAL: ${at.sentences} of ${at.lines} lines, not a score of the text`]
      : []),
    `${at.sentences} sentences, ${at.milliseconds.toFixed(1)} ms each`,
    `hypotheses: ${at.outputFile}`,
    `metrics: ${at.metricFile}`,
  ].join("\n");
}
