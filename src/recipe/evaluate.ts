/** Negative log-likelihood of data under a model. */
import * as tf from "@tensorflow/tfjs";
import { evaluationBatches } from "../data/batch-stream.ts";
import type { Batch } from "../data/batch.ts";
import type { PairExample } from "../data/parallel-text.ts";
import { perplexityOf } from "../metrics/perplexity.ts";
import type { Seq2SeqModel } from "../models/model.ts";
import { createPass, disposePass } from "../quant/pass.ts";
import { batchLosses, lossInputs, type LossStep } from "./loss-step.ts";
import type { StepProgress } from "./run-reporter.ts";
import type { TranslationTask } from "./translation-task.ts";

/** How examples are evaluated. */
export interface EvaluateOptions {
  readonly task: TranslationTask;
  readonly batchSentences: number;
  /** ε of the loss; 0 gives the plain negative log-likelihood. */
  readonly labelSmoothing: number;
  readonly progress?: StepProgress;
  /** Aborting it ends the evaluation with an AbortError. */
  readonly signal?: AbortSignal | undefined;
}

/** Loss of each example, summed over its target tokens, nats. */
export interface SentenceLosses {
  /** With label smoothing. */
  readonly losses: Float64Array;
  /** Negative log-likelihood: without. */
  readonly nll: Float64Array;
  /** Target tokens of each example, EOS included. */
  readonly tokens: Int32Array;
}

/** Figures of a data set. */
export interface LossFigures {
  readonly sentences: number;
  readonly tokens: number;
  /** Label-smoothed loss, mean over tokens, nats. */
  readonly loss: number;
  /** Negative log-likelihood, mean over sentences, nats. */
  readonly nll: number;
  /** Negative log-likelihood, mean over tokens, nats. */
  readonly nats_per_token: number;
  /** exp(nats_per_token). */
  readonly perplexity: number;
}

/** Lengths of captured batches are multiples of this. */
const CAPTURED_LENGTHS = 8;

/**
 * Loss of each example, in evaluation arithmetic: quantized operands are multiplied as codes.
 * @param step what evaluations of a model share whose weights change, or null for a single one
 */
export async function sentenceLosses(
  model: Seq2SeqModel,
  examples: readonly PairExample[],
  options: EvaluateOptions,
  step: LossStep | null = null,
): Promise<SentenceLosses> {
  const { task, batchSentences, labelSmoothing, progress, signal } = options;
  const result: SentenceLosses = {
    losses: new Float64Array(examples.length),
    nll: new Float64Array(examples.length),
    tokens: new Int32Array(examples.length),
  };
  const granularity = step === null ? 0 : CAPTURED_LENGTHS;
  const pass = createPass({ products: "codes" });
  let done = 0;
  try {
    for (const batch of evaluationBatches(examples, batchSentences, task.batchIds, granularity)) {
      signal?.throwIfAborted();
      const inputs = lossInputs(batch);
      const losses = (): tf.Tensor1D => batchLosses(model, inputs, labelSmoothing, pass);
      const values = step === null ? tf.tidy(losses) : step.run(model, inputs);
      tf.dispose(inputs);
      addRows(result, batch, await values.data<"float32">());
      values.dispose();
      done += batch.size;
      progress?.update(done, examples.length);
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
  } finally {
    disposePass(pass);
  }
  progress?.end();
  return result;
}

/** Sums up the losses of examples. */
export function lossFigures({ losses, nll, tokens }: SentenceLosses): LossFigures {
  const total = nll.reduce((a, b) => a + b, 0);
  const count = tokens.reduce((a, b) => a + b, 0);
  const { natsPerToken, perplexity } = perplexityOf(total, count);
  return {
    sentences: losses.length,
    tokens: count,
    loss: losses.reduce((a, b) => a + b, 0) / count,
    nll: total / losses.length,
    nats_per_token: natsPerToken,
    perplexity,
  };
}

function addRows(result: SentenceLosses, batch: Batch, values: Float32Array): void {
  const { size, targetTime, indices, targetLengths } = batch;
  for (let row = 0; row < size; row++) {
    const example = indices[row]!;
    const length = targetLengths[row]!;
    const smoothed = row * targetTime;
    const plain = smoothed + size * targetTime;
    result.losses[example] = sum(values, smoothed, length);
    result.nll[example] = sum(values, plain, length);
    result.tokens[example] = length;
  }
}

function sum(values: Float32Array, start: number, length: number): number {
  let total = 0;
  for (let i = start; i < start + length; i++) total += values[i]!;
  return total;
}
