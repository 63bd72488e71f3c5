/** A training run that takes milliseconds: a Transformer of width 8 on random sentences. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs";
import { RandomStream } from "../../src/core/random.ts";
import { BatchStream } from "../../src/data/batch-stream.ts";
import type { PairExample } from "../../src/data/parallel-text.ts";
import { hparamsSet } from "../../src/models/hparams.ts";
import type { Seq2SeqModel } from "../../src/models/model.ts";
import { Transformer } from "../../src/models/transformer.ts";
import { resolveQuantConfig, type QuantConfig } from "../../src/quant/config.ts";
import { linearSchedule } from "../../src/train/schedule.ts";
import type { TrainerOptions, ValidationOptions } from "../../src/train/train-options.ts";
import type { Validator } from "../../src/train/validator.ts";

const VOCABULARY = 20;
const IDS = { start: 18, eos: 19 };

export const QUANT: QuantConfig = resolveQuantConfig({ quant_act_clip_max: 4 });

/** A model with the same initial weights each time; the caller disposes it. */
export function makeTinyModel(quantConfig: QuantConfig | null, dropout: string): Transformer {
  return new Transformer({
    params: hparamsSet(`transformer_8_1e_1d_2h_${dropout}`)["model.params"],
    sourceVocabSize: VOCABULARY,
    targetVocabSize: VOCABULARY,
    quantConfig,
    seed: 4,
  });
}

/** Targets repeat their source, so that there is something to learn. */
export function tinyExamples(count = 40): PairExample[] {
  const random = new RandomStream({ seed: 11, stream: 0 });
  return Array.from({ length: count }, () => {
    const words = Array.from({ length: 2 + random.integer(5) }, () => random.integer(18));
    const source = Int32Array.from([...words, IDS.eos]);
    return { source, target: source.slice() };
  });
}

/** @param padToBucket two shapes in all, a full and a left over one */
export function tinyBatches(
  batchSize = 6,
  examples = tinyExamples(),
  padToBucket = false,
): BatchStream {
  const sizing = { batchSize, byTokens: false, maxSourceLength: 8, maxTargetLength: 8 };
  return new BatchStream(examples, { sizing, ids: IDS, seed: 5, padToBucket });
}

/** Judges by the weights alone: 100 less the sum of absolute biases, as fast as it is meaningless. */
export const biasValidator: Validator = {
  validate: (model) => {
    const biases = [...model.variables].filter(([name]) => name.endsWith("/bias"));
    const total = biases.flatMap(([, bias]) => [...bias.dataSync()]).map(Math.abs);
    const score = 100 - total.reduce((a, b) => a + b, 0);
    return Promise.resolve({ score, metrics: { biases: total.length } });
  },
};

/** Gives the scores in turn. */
export function scriptedValidator(scores: readonly number[]): Validator {
  const left = [...scores];
  return {
    validate: () => Promise.resolve({ score: left.shift() ?? 0, metrics: {} }),
  };
}

export function tinyValidation(
  modelDir: string,
  settings: Partial<ValidationOptions> = {},
): ValidationOptions {
  return {
    validator: biasValidator,
    everySteps: 2,
    startAt: 0,
    onBegin: true,
    patience: 0,
    bestDir: join(modelDir, "best"),
    averageDir: join(modelDir, "best_avg"),
    keep: 2,
    companions: new Map([["model_configs.yml", "model.class: Transformer\n"]]),
    ...settings,
  };
}

export function tinyOptions(
  modelDir: string,
  model: Seq2SeqModel,
  settings: Partial<TrainerOptions> = {},
): TrainerOptions {
  const { initialStep = 0, trainSteps = 6 } = settings;
  return {
    model,
    quant: QUANT,
    batches: tinyBatches(),
    modelDir,
    seed: 2,
    initialStep,
    trainSteps,
    schedule: ({ initialStep: firstStep, targetStep: lastStep }) =>
      linearSchedule({ peakRate: 0.01, endRate: 0.001, warmupSteps: 3, firstStep, lastStep }),
    adam: { beta1: 0.9, beta2: 0.98, epsilon: 1e-9 },
    criterion: { per: "token", labelSmoothing: 0.1 },
    updateCycle: 1,
    clipNorm: 1,
    clipValue: null,
    freezeVariables: null,
    summarySteps: 2,
    checkpointSteps: 3,
    checkpointsToKeep: 3,
    validation: null,
    // Capturing takes longer than the few steps of these runs; captured.test.ts has its own.
    capture: { eager: true },
    clock: () => 1000,
    ...settings,
  };
}

/** Contents of all files of a directory by relative path, without TensorBoard's. */
export function filesOf(directory: string): Record<string, string> {
  const paths = readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.includes("tfevents"))
    .map((entry) => join(entry.parentPath, entry.name).slice(directory.length + 1));
  return Object.fromEntries(
    paths.sort().map((path) => [path, readFileSync(join(directory, path), "latin1")]),
  );
}

/** Current values of all variables. */
export function valuesOf(model: Seq2SeqModel): Record<string, Float32Array> {
  return Object.fromEntries(
    [...model.variables].map(([name, v]) => [name, Float32Array.from(v.dataSync())]),
  );
}

/** Tensors, and memory blocks of the backend. */
export function memoryCounts(): [number, number] {
  const backend = tf.backend() as unknown as { numDataIds(): number };
  return [tf.memory().numTensors, backend.numDataIds()];
}
