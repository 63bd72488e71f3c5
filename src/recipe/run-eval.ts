/** Entries eval and seq_eval: likelihood of a data set, as a whole or sentence by sentence. */
import { join } from "node:path";
import { writeFileAtomic } from "../data/atomic-file.ts";
import { lossFigures, sentenceLosses, type SentenceLosses } from "./evaluate.ts";
import { loadModel, type LoadedModel } from "./load-model.ts";
import { modelDirectoryOf } from "./model-configs.ts";
import {
  requiredDataset,
  requiredModelDir,
  sentencesPerBatch,
  type RunContext,
  type RunReport,
} from "./run-report.ts";
import type { Recipe } from "./schema.ts";
import { NO_LIMITS, readPairs } from "./translation-task.ts";

type Entry<C> = Extract<Recipe["entry"], { class: C }>;

/** Loss and perplexity of the data set. */
export async function runEval(
  recipe: Recipe,
  entry: Entry<"eval">,
  context: RunContext,
): Promise<RunReport> {
  const { losses, loaded } = await lossesOf(recipe, context);
  const figures = {
    ...lossFigures(losses),
    label_smoothing: recipe.criterion.label_smoothing,
    model: loaded.format,
    step: loaded.step,
  };
  const path = entry.save_metric ?? entry.output_file ?? defaultFile(recipe, "evaluation.json");
  writeFileAtomic(path, `${JSON.stringify(figures, null, 2)}\n`);
  const text =
    `negative log-likelihood ${figures.nats_per_token.toFixed(5)} nats a token, perplexity ` +
    `${figures.perplexity.toFixed(3)} (${figures.sentences} sentences, ${figures.tokens} tokens)\n` +
    `metrics: ${path}`;
  return { json: { ...figures, save_metric: path }, text, interrupted: false };
}

/** Negative log-likelihood of each sentence, one JSON object a line. */
export async function runSeqEval(
  recipe: Recipe,
  entry: Entry<"seq_eval">,
  context: RunContext,
): Promise<RunReport> {
  const { losses } = await lossesOf(recipe, context);
  const path = entry.output_file ?? defaultFile(recipe, "sentences.jsonl");
  const lines = Array.from(losses.nll, (nll, i) => {
    const tokens = losses.tokens[i]!;
    return JSON.stringify({ nll, tokens, perplexity: Math.exp(nll / tokens) });
  });
  writeFileAtomic(path, lines.map((line) => `${line}\n`).join(""));
  const figures = lossFigures(losses);
  if (entry.save_metric !== undefined) {
    writeFileAtomic(entry.save_metric, `${JSON.stringify(figures, null, 2)}\n`);
  }
  const text = `${lines.length} sentences: ${path}`;
  return { json: { ...figures, output_file: path }, text, interrupted: false };
}

async function lossesOf(
  recipe: Recipe,
  { reporter, signal }: RunContext,
): Promise<{ losses: SentenceLosses; loaded: LoadedModel }> {
  const dataset = requiredDataset(recipe);
  const loaded = loadModel(requiredModelDir(recipe), recipe);
  try {
    const { examples } = await readPairs(loaded.task, dataset, NO_LIMITS);
    const losses = await sentenceLosses(loaded.model, examples, {
      task: loaded.task,
      batchSentences: sentencesPerBatch(recipe),
      labelSmoothing: recipe.criterion.label_smoothing,
      progress: reporter.progress("evaluate", "sentences"),
      signal,
    });
    return { losses, loaded };
  } finally {
    loaded.model.dispose();
  }
}

function defaultFile(recipe: Recipe, name: string): string {
  return join(modelDirectoryOf(requiredModelDir(recipe)), name);
}
