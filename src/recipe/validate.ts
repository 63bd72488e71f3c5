/** Validators: how checkpoints are judged, always as they will be deployed (integer products). */
import type { PairExample } from "../data/parallel-text.ts";
import { ConfigError } from "../errors.ts";
import type { Seq2SeqModel } from "../models/model.ts";
import { createModelScorer } from "../models/scorer.ts";
import type { Validation, Validator } from "../train/validator.ts";
import { nativeBackend } from "../graph/native-backend.ts";
import { lossFigures, sentenceLosses, type LossFigures } from "./evaluate.ts";
import { LossStep } from "./loss-step.ts";
import type { RunReporter } from "./run-reporter.ts";
import type { Recipe } from "./schema.ts";
import { scoreText } from "./score-text.ts";
import { translate } from "./translate.ts";
import {
  NO_LIMITS,
  readPairs,
  readSourceText,
  type SourceText,
  type TranslationTask,
} from "./translation-task.ts";

type Settings = NonNullable<Recipe["validator"]>;

/** What a validator needs besides its data. */
interface Judge {
  readonly recipe: Recipe;
  readonly settings: Settings;
  readonly task: TranslationTask;
  readonly examples: readonly PairExample[];
  readonly reporter: RunReporter;
  readonly signal: AbortSignal | undefined;
  /** What all validations share; null where nothing is captured. */
  readonly lossStep: LossStep | null;
}

/**
 * The validator of a recipe, or null if it has none. Reads its data now, so that a wrong path ends
 * the run before it starts.
 */
export async function createValidator(
  recipe: Recipe,
  task: TranslationTask,
  reporter: RunReporter,
  signal?: AbortSignal,
): Promise<Validator | null> {
  const { validator: settings, eval_dataset: dataset } = recipe;
  if (settings === null) return null;
  if (dataset === null) {
    throw new ConfigError(
      "eval_dataset: expected the validator's data, received nothing. Give eval_dataset.params " +
        "with src_file and trg_file.",
    );
  }
  const { examples } = await readPairs(task, dataset, NO_LIMITS);
  const smoothing = recipe.eval_criterion.label_smoothing;
  const lossStep = nativeBackend() === null ? null : new LossStep(smoothing);
  const judge: Judge = { recipe, settings, task, examples, reporter, signal, lossStep };
  if (settings.class === "CriterionValidator") return criterionValidator(judge);
  return generationValidator(judge, await readSourceText(task, dataset));
}

/** Ranks by the loss: score = −loss. */
function criterionValidator(judge: Judge): Validator {
  return {
    validate: async (model, step) => {
      const figures = await lossOf(judge, model, step);
      return { score: -figures.loss, metrics: lossMetrics(figures) };
    },
    dispose: () => judge.lossStep?.dispose(),
  };
}

/** Ranks by a metric of the decoded text. */
function generationValidator(judge: Judge, text: SourceText): Validator {
  const { recipe, settings, task, reporter, signal } = judge;
  return {
    validate: async (model, step): Promise<Validation> => {
      const figures = await lossOf(judge, model, step);
      const scorer = createModelScorer(model);
      try {
        const translations = await translate(scorer, text.sources, {
          task,
          search: recipe.eval_search_method,
          batchSentences: settings.eval_batch_size,
          seed: recipe.run.seed,
          progress: reporter.progress(`step ${step}: translate dev`, "sentences"),
          signal,
        });
        const hypotheses = translations.map((best) => best[0]!.text);
        const { score } = scoreText(hypotheses, text.references!, recipe.eval_metric);
        return { score, metrics: { ...lossMetrics(figures), [recipe.eval_metric.class]: score } };
      } finally {
        scorer.close();
      }
    },
    dispose: () => judge.lossStep?.dispose(),
  };
}

async function lossOf(judge: Judge, model: Seq2SeqModel, step: number): Promise<LossFigures> {
  const { recipe, settings, task, examples, reporter, signal, lossStep } = judge;
  const options = {
    task,
    batchSentences: settings.eval_batch_size,
    labelSmoothing: recipe.eval_criterion.label_smoothing,
    progress: reporter.progress(`step ${step}: loss of dev`, "sentences"),
    signal,
  };
  const losses = await sentenceLosses(model, examples, options, lossStep);
  return lossFigures(losses);
}

function lossMetrics(figures: LossFigures): Record<string, number> {
  const { loss, nll, nats_per_token, perplexity } = figures;
  return { loss, nll, nats_per_token, perplexity };
}
