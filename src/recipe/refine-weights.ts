/** What may follow the ranges of a quantized model: learned rounding, and bias correction. */
import type { Batch } from "../data/batch.ts";
import { evaluationBatches } from "../data/batch-stream.ts";
import type { PairExample } from "../data/parallel-text.ts";
import { batchTensors } from "../models/loss.ts";
import { shortPath } from "../models/layer-paths.ts";
import type { Seq2SeqModel } from "../models/model.ts";
import { type BiasCorrectionReport, correctBiases } from "../ptq/bias-correction.ts";
import { type LearnedRoundingReport, learnRounding } from "../ptq/learned-rounding.ts";
import { collectMoments, type ProductMoments } from "../ptq/product-moments.ts";
import { copyRoundedWeights } from "../ptq/quantized-weights.ts";
import type { Pass } from "../quant/pass.ts";
import type { RunReporter } from "./run-reporter.ts";
import type { TranslationTask } from "./translation-task.ts";

/** Which of them. */
export interface RefineChoice {
  readonly learnedRounding: boolean;
  readonly biasCorrection: boolean;
}

/** What they need. */
export interface RefineOptions extends RefineChoice {
  readonly task: TranslationTask;
  /** Held-out text; some hundred pairs of it are used, spread evenly. */
  readonly pairs: readonly PairExample[];
  readonly batchSentences: number;
  readonly reporter: RunReporter;
  readonly signal?: AbortSignal | undefined;
}

/** What came of them; null for what was not asked for. Names are those of the JSON report. */
export interface Refinement {
  readonly learned_rounding: LearnedRoundingReport | null;
  readonly bias_correction: BiasCorrectionReport | null;
}

/** Pairs whose products are looked at: enough for inputs of some hundred elements. */
const MOST_PAIRS = 512;

/** Rounds the weights of a quantized model anew, and corrects its biases; its ranges stay. */
export async function refineWeights(
  model: Seq2SeqModel,
  options: RefineOptions,
): Promise<Refinement> {
  const { learnedRounding, biasCorrection, reporter, signal } = options;
  const originals = copyRoundedWeights(model);
  try {
    let learned: LearnedRoundingReport | null = null;
    if (learnedRounding) {
      const moments = momentsOf(model, options);
      const progress = reporter.progress("rounding", "iterations");
      learned = await learnRounding(model, moments, {
        correctsBiases: biasCorrection,
        onProgress: ({ done, total, weight }) => {
          progress.update(done, total, shortPath(weight));
        },
        ...(signal === undefined ? {} : { signal }),
      });
      progress.end();
    }
    // After rounding: what enters a product has changed with the weights before it.
    const biases = biasCorrection
      ? correctBiases(model, momentsOf(model, options, 0), originals)
      : null;
    return { learned_rounding: learned, bias_correction: biases };
  } finally {
    for (const weight of originals.values()) weight.dispose();
  }
}

/** The pairs of a text that {@link refineWeights} looks at. */
function spread(pairs: readonly PairExample[]): PairExample[] {
  const count = Math.min(pairs.length, MOST_PAIRS);
  return Array.from({ length: count }, (_, i) => pairs[Math.floor((i * pairs.length) / count)]!);
}

function momentsOf(
  model: Seq2SeqModel,
  { pairs, batchSentences, task, reporter, signal }: RefineOptions,
  maxInputs?: number,
): ProductMoments {
  const batches = [...evaluationBatches(spread(pairs), batchSentences, task.batchIds)];
  const progress = reporter.progress("moments", "batches");
  function* passes(): Generator<(pass: Pass) => void> {
    for (const [i, batch] of batches.entries()) {
      signal?.throwIfAborted();
      yield (pass) => {
        teacherForced(model, batch, pass);
      };
      progress.update(i + 1, batches.length);
    }
  }
  const moments = collectMoments(model, passes(), maxInputs === undefined ? {} : { maxInputs });
  progress.end();
  return moments;
}

function teacherForced(model: Seq2SeqModel, batch: Batch, pass: Pass): void {
  const { source, sourceLengths, targetInput, targetLengths } = batchTensors(batch);
  model.logits(source, sourceLengths, targetInput, { ...pass, targetLengths });
}

/** A few lines for people. */
export function refinementText({ learned_rounding, bias_correction }: Refinement): string[] {
  const lines: string[] = [];
  if (learned_rounding !== null) {
    const { learned, skipped } = learned_rounding;
    const mean = (values: readonly number[]): number =>
      values.reduce((sum, value) => sum + value, 0) / Math.max(values.length, 1);
    const share = mean(learned.map((w) => w.learnedError / w.nearestError));
    const changed = 100 * mean(learned.map((w) => w.changed));
    lines.push(
      `learned rounding: ${learned.length} weights, output error ${share.toFixed(2)} of rounding to ` +
        `the nearest, ${changed.toFixed(1)} % of the codes changed`,
      ...skipped.map(({ weight, reason }) => `  ${shortPath(weight)}: to the nearest, ${reason}`),
    );
  }
  if (bias_correction !== null) {
    const { shifts, skipped } = bias_correction;
    const largest = shifts.reduce((most, shift) => Math.max(most, shift.largest), 0);
    lines.push(
      `bias correction: ${shifts.length} biases, shifted by ${largest.toPrecision(3)} at most`,
      ...skipped.map(({ weight, reason }) => `  ${shortPath(weight)}: not corrected, ${reason}`),
    );
  }
  return lines;
}
