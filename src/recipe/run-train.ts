/** Entry train: trains or fine-tunes a model in its directory. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs";
import { BatchStream } from "../data/batch-stream.ts";
import { describeCorpus, type PairExample } from "../data/parallel-text.ts";
import { ConfigError } from "../errors.ts";
import { INDEX_NAME } from "../train/checkpoint-index.ts";
import { latestCheckpoint } from "../train/checkpoint-store.ts";
import { assertLearnable } from "../quant/learnable.ts";
import type { TrainerOptions, TrainResult, ValidationOptions } from "../train/train-options.ts";
import { Trainer } from "../train/trainer.ts";
import type { Validator } from "../train/validator.ts";
import { buildModel, type BuiltModel } from "./build-model.ts";
import { calibrateModel } from "./calibrate-model.ts";
import { scheduleOf } from "./lr-schedule.ts";
import { modelConfigFiles, modelDirectoryOf, writeModelConfigs } from "./model-configs.ts";
import { loadPretrained } from "./pretrained-weights.ts";
import {
  requiredDataset,
  writableModelDir,
  type RunContext,
  type RunReport,
} from "./run-report.ts";
import { checkSameQuantization, checkSameVocabulary } from "./same-model.ts";
import type { Recipe } from "./schema.ts";
import { watchTraining } from "./train-watch.ts";
import { createTranslationTask, readPairs, type TranslationTask } from "./translation-task.ts";
import { createValidator } from "./validate.ts";

type TrainEntry = Extract<Recipe["entry"], { class: "train" }>;

/** Everything that a run reads before it writes anything. */
interface Prepared extends BuiltModel {
  readonly recipe: Recipe;
  readonly entry: TrainEntry;
  readonly modelDir: string;
  readonly task: TranslationTask;
  readonly examples: readonly PairExample[];
  readonly batches: BatchStream;
  readonly validator: Validator | null;
}

/** Trains to the target step; takes an interrupted run up where it was left. */
export async function runTrain(
  recipe: Recipe,
  entry: TrainEntry,
  context: RunContext,
): Promise<RunReport> {
  const prepared = await prepare(recipe, entry, context);
  const { model, modelDir } = prepared;
  try {
    if (latestCheckpoint(modelDir) === null) initialize(prepared, context);
    else checkSameRun(prepared);
    writeModelConfigs(modelDir, recipe, model);
    const trainer = new Trainer(trainerOptions(prepared));
    try {
      const result = await watchTraining(trainer, context);
      return report(prepared, result);
    } finally {
      trainer.dispose();
    }
  } finally {
    prepared.validator?.dispose?.();
    model.dispose();
  }
}

async function prepare(
  recipe: Recipe,
  entry: TrainEntry,
  { reporter, signal }: RunContext,
): Promise<Prepared> {
  const modelDir = writableModelDir(recipe);
  refuseForeignModel(modelDir);
  const task = createTranslationTask(recipe);
  const corpus = await readPairs(task, requiredDataset(recipe), pairLimits(recipe));
  reporter.note(describeCorpus(corpus.report));
  const { examples } = corpus;
  const batches = batchStream(recipe, task, examples);
  const validator = await createValidator(recipe, task, reporter, signal);
  const built = buildModel(recipe, task);
  assertLearnable(built.model.layers());
  return { ...built, recipe, entry, modelDir, task, examples, batches, validator };
}

/** A directory with a model but no index holds no run of ours; training there would ignore it. */
function refuseForeignModel(modelDir: string): void {
  const isForeign =
    existsSync(join(modelDir, "model.safetensors")) && !existsSync(join(modelDir, INDEX_NAME));
  if (!isForeign) return;
  throw new ConfigError(
    `model_dir: expected a new directory or one with a run, received ${modelDir}, which holds a ` +
      "finished model. Give it as --pretrain_model, and another --model_dir.",
  );
}

function pairLimits({ task }: Recipe) {
  const { max_src_len: source, max_trg_len: target } = task;
  if (source === undefined || target === undefined) {
    throw new ConfigError(
      "task: expected max_src_len and max_trg_len for training, received " +
        `${source ?? "nothing"} and ${target ?? "nothing"}. Give the longest lengths in tokens.`,
    );
  }
  return {
    maxSourceLength: source,
    maxTargetLength: target,
    truncateSource: task.truncate_src,
    truncateTarget: task.truncate_trg,
  };
}

function batchStream(
  recipe: Recipe,
  task: TranslationTask,
  examples: readonly PairExample[],
): BatchStream {
  const { batch_size_per_gpu, batch_size, batch_by_tokens: byTokens } = recipe.task;
  const { maxSourceLength, maxTargetLength } = pairLimits(recipe);
  return new BatchStream(examples, {
    sizing: {
      batchSize: batch_size_per_gpu ?? batch_size,
      byTokens,
      maxSourceLength,
      maxTargetLength,
    },
    ids: task.batchIds,
    seed: recipe.run.seed,
    padToBucket: recipe.task.pad_to_bucket ?? tf.getBackend() === "tensorflow",
  });
}

/** A run that is taken up has the vocabulary and the quantization that it started with. */
function checkSameRun({ modelDir, task, quant }: Prepared): void {
  checkSameVocabulary(modelDir, task);
  checkSameQuantization(modelDir, quant);
}

/** The weights and clips that a new run starts with. */
function initialize(prepared: Prepared, { reporter }: RunContext): void {
  const { model, quant, entry, recipe, task, examples } = prepared;
  const { pretrain_model: source, pretrain_variable_pattern: pattern } = entry;
  let only: ReadonlySet<string> | null = null;
  if (source !== undefined) {
    checkSameVocabulary(modelDirectoryOf(source), task);
    only = loadPretrained(model, source, { pattern, reporter });
  } else if (pattern !== undefined) {
    throw new ConfigError(
      `pretrain_variable_pattern: expected pretrain_model with it, received "${pattern}" alone. ` +
        "Name the model whose variables are to be loaded.",
    );
  }
  if (quant === null) return;
  // A stream of its own: the run's first batches stay the run's.
  const stream = batchStream(recipe, task, examples);
  const count = quant.calibrateBatches;
  const batches = Array.from({ length: count }, () => stream.next());
  const clips = calibrateModel(model, { batches, only, reporter });
  if (clips.length > 0) reporter.note(`calibrated ${clips.length} clips on ${count} batches`);
}

function trainerOptions(prepared: Prepared): TrainerOptions {
  const { recipe, entry, model, quant, modelDir, batches } = prepared;
  const { optimizer, criterion, run } = recipe;
  return {
    model,
    quant,
    batches,
    modelDir,
    tensorboardDir: entry.tb_log_dir,
    seed: run.seed,
    initialStep: entry.initial_global_step ?? null,
    trainSteps: entry.train_steps,
    schedule: (span) => scheduleOf(recipe.lr_schedule, widthOf(model.params), span),
    adam: { beta1: optimizer.beta_1, beta2: optimizer.beta_2, epsilon: optimizer.epsilon },
    criterion: {
      per: criterion.class === "gnmt_label_smoothing" ? "sentence" : "token",
      labelSmoothing: criterion.label_smoothing,
    },
    updateCycle: entry.update_cycle,
    clipNorm: entry.clip_norm ?? null,
    clipValue: entry.clip_value ?? null,
    freezeVariables: entry.freeze_variables ?? null,
    summarySteps: entry.summary_steps,
    checkpointSteps: entry.save_checkpoint_steps,
    checkpointsToKeep: entry.checkpoints_max_to_keep,
    validation: validationOptions(prepared),
    capture: { xla: run.enable_xla },
  };
}

function widthOf(params: Readonly<Record<string, unknown>>): number {
  return (params["encoder.hidden_size"] ?? params["hidden_size"]) as number;
}

function validationOptions(prepared: Prepared): ValidationOptions | null {
  const { recipe, model, modelDir, validator } = prepared;
  const settings = recipe.validator;
  if (settings === null || validator === null) return null;
  const average = settings.eval_best_avg_checkpoint_path ?? join(modelDir, "best_avg");
  return {
    validator,
    bestDir: settings.eval_best_checkpoint_path ?? join(modelDir, "best"),
    keep: settings.eval_top_checkpoints_to_keep,
    averageDir: settings.eval_auto_average_checkpoints ? average : null,
    companions: new Map(Object.entries(modelConfigFiles(recipe, model))),
    everySteps: settings.eval_steps,
    startAt: settings.eval_start_at,
    onBegin: settings.eval_on_begin,
    patience: settings.eval_estop_patience,
  };
}

function report(prepared: Prepared, result: TrainResult): RunReport {
  const { modelDir } = prepared;
  const bestDir = validationOptions(prepared)?.bestDir ?? null;
  const { status, step, targetStep, best, bestAverage } = result;
  const endings: Record<TrainResult["status"], string> = {
    finished: `trained to step ${step}`,
    already_finished: `nothing to do: the run has reached step ${step}`,
    stopped_early: `stopped early at step ${step}: no validation improved for a while`,
    interrupted: `interrupted at step ${step} of ${targetStep}; the same command goes on from there`,
  };
  const lines = [`${endings[status]}  (${modelDir})`];
  if (best !== null)
    lines.push(`best: step ${best.step}, ${best.score!.toFixed(4)}  (${bestDir!})`);
  if (bestAverage !== null) {
    lines.push(`best average: step ${bestAverage.step}, ${bestAverage.score!.toFixed(4)}`);
  }
  return {
    json: {
      status,
      step,
      target_step: targetStep,
      model_dir: modelDir,
      best: best === null ? null : { step: best.step, score: best.score, directory: bestDir },
      best_average:
        bestAverage === null ? null : { step: bestAverage.step, score: bestAverage.score },
    },
    text: lines.join("\n"),
    interrupted: status === "interrupted",
  };
}
