/** What a search for quantization settings measures: a held-out text by the metric that counts. */
import { evaluationBatches } from "../data/batch-stream.ts";
import type { Batch } from "../data/batch.ts";
import type { HeldOutText } from "./held-out-text.ts";
import { createModelScorer } from "../models/scorer.ts";
import type { Seq2SeqModel } from "../models/model.ts";
import { DivergenceProbe } from "../ptq/divergence.ts";
import { quantizeWith, type SearchBase, searchSites } from "../ptq/site-options.ts";
import type { SearchSpace } from "../ptq/search.ts";
import type { QuantOverride } from "../quant/config.ts";
import { lossFigures, sentenceLosses } from "./evaluate.ts";
import { sentencesPerBatch } from "./run-report.ts";
import type { RunReporter } from "./run-reporter.ts";
import type { Recipe } from "./schema.ts";
import { scoreText } from "./score-text.ts";
import type { SearchMetric } from "./search-metrics.ts";
import type { SearchMemo } from "./search-memo.ts";
import { translate } from "./translate.ts";
import type { TranslationTask } from "./translation-task.ts";

/** The text and how it is scored. */
export interface JudgedText extends HeldOutText {
  readonly task: TranslationTask;
  readonly recipe: Recipe;
  readonly metric: SearchMetric;
  readonly reporter: RunReporter;
  readonly signal: AbortSignal | undefined;
}

/** Sentences of the cheap score, spread evenly over the text. */
const PROBE_SENTENCES = 64;

/** A space whose numbers are remembered. The caller disposes it. */
export interface MeasuredSpace extends SearchSpace {
  dispose(): void;
}

/** The search space of a float model. */
export function measuredSpace(
  base: SearchBase,
  heldOut: JudgedText,
  memo: SearchMemo,
): MeasuredSpace {
  const probe = new DivergenceProbe(base.source, probeBatches(heldOut));
  const withQuantized = async (
    overrides: readonly QuantOverride[],
    measure: (model: Seq2SeqModel) => Promise<number>,
  ): Promise<number> => {
    heldOut.signal?.throwIfAborted();
    const { model } = quantizeWith(base, overrides);
    try {
      return await measure(model);
    } finally {
      model.dispose();
    }
  };
  return {
    sites: searchSites(base),
    divergence: (overrides) =>
      memo.remember(`divergence ${JSON.stringify(overrides)}`, () =>
        withQuantized(overrides, (model) => probe.of(model)),
      ),
    evaluate: (overrides) =>
      memo.remember(`${heldOut.metric} ${JSON.stringify(overrides)}`, () =>
        overrides === null
          ? metricOf(base.source, heldOut)
          : withQuantized(overrides, (model) => metricOf(model, heldOut)),
      ),
    dispose: () => {
      probe.dispose();
    },
  };
}

function probeBatches({ pairs, task, recipe }: JudgedText): Batch[] {
  const step = Math.max(1, pairs.length / PROBE_SENTENCES);
  const chosen = Array.from(
    { length: Math.min(pairs.length, PROBE_SENTENCES) },
    (_, i) => pairs[Math.floor(i * step)]!,
  );
  return [...evaluationBatches(chosen, sentencesPerBatch(recipe), task.batchIds)];
}

/** The metric of a model on the whole text, in evaluation arithmetic. */
async function metricOf(model: Seq2SeqModel, heldOut: JudgedText): Promise<number> {
  const { task, recipe, metric, pairs, reporter, signal } = heldOut;
  if (metric !== "bleu") {
    const losses = await sentenceLosses(model, pairs, {
      task,
      batchSentences: sentencesPerBatch(recipe),
      labelSmoothing: 0,
      progress: reporter.progress("evaluate", "sentences"),
      signal,
    });
    const figures = lossFigures(losses);
    return metric === "loss" ? figures.nats_per_token : figures.perplexity;
  }
  return bleuOf(model, heldOut);
}

async function bleuOf(model: Seq2SeqModel, heldOut: JudgedText): Promise<number> {
  const { task, recipe, sources, references, reporter, signal } = heldOut;
  const scorer = createModelScorer(model);
  try {
    const found = await translate(scorer, sources, {
      task,
      search: recipe.search_method,
      batchSentences: sentencesPerBatch(recipe),
      seed: recipe.run.seed,
      progress: reporter.progress("translate", "sentences"),
      signal,
    });
    const best = found.map((hypotheses) => hypotheses[0]!.text);
    return scoreText(best, references, recipe.metric).score;
  } finally {
    scorer.close();
  }
}
