/** Learned rounding: weights are rounded so that their products' outputs change least. */
import * as tf from "@tensorflow/tfjs";
import { TrainingError } from "../errors.ts";
import type { Seq2SeqModel } from "../models/model.ts";
import { type ProductMoments, type SkippedWeight, whyUnseen } from "./product-moments.ts";
import { biasOf, roundedWeights, type RoundedWeight } from "./quantized-weights.ts";
import { errorsOf, flipRounding, type FlipProblem } from "./rounding-flips.ts";
import { roundingProblem, type RoundingProblem, type SecondMoments } from "./rounding-problem.ts";
import { searchRounding, type RoundingSearchOptions } from "./rounding-search.ts";

/** How far learning is. */
export interface RoundingProgress {
  /** The weight at work. */
  readonly weight: string;
  /** Iterations done over all weights, of the total. */
  readonly done: number;
  readonly total: number;
}

export interface LearnRoundingOptions extends Omit<RoundingSearchOptions, "beforeIteration"> {
  /**
   * True where {@link correctBiases} follows: an output with a bias is then judged by the variance of
   * its error alone, because its mean will be taken off [default: false].
   */
  readonly correctsBiases?: boolean;
  readonly onProgress?: (progress: RoundingProgress) => void;
  /** Aborting it throws an AbortError between two iterations; earlier weights stay rounded. */
  readonly signal?: AbortSignal;
}

/** What learning did to one weight. */
export interface LearnedRounding {
  readonly weight: string;
  /** Mean over outputs of the squared output error of rounding to the nearest. */
  readonly nearestError: number;
  /** That of the learned rounding, ≤ nearestError. */
  readonly learnedError: number;
  /** Share of the weight's codes that are not the nearest. */
  readonly changed: number;
}

export interface LearnedRoundingReport {
  readonly learned: readonly LearnedRounding[];
  /** Weights that stay rounded to the nearest. */
  readonly skipped: readonly SkippedWeight<"too many inputs">[];
}

/**
 * Chooses for each weight of a product the grid value below or above it so that E‖x·(Ŵ − W)‖² is least:
 * from {@link searchRounding}'s choice, and from rounding to the nearest, single choices are turned over
 * while that helps; each output takes the better of both. So none is worse than to the nearest. The weights become code·scale, which their quantizers
 * round to the same codes; ranges and biases stay. Tables that are only looked up stay as they are.
 *
 * @param moments of the inputs that the rounded weights meet, see {@link collectMoments}
 * @throws {TrainingError} if the learned codes do not come back from the quantizer
 */
export async function learnRounding(
  model: Seq2SeqModel,
  moments: ProductMoments,
  options: LearnRoundingOptions = {},
): Promise<LearnedRoundingReport> {
  const weights = [...roundedWeights(model).values()];
  const skipped = weights.flatMap(({ name }) => {
    const reason = reasonToSkip(name, moments);
    return reason === null ? [] : [{ weight: name, reason }];
  });
  const open = weights.filter(({ name }) => reasonToSkip(name, moments) === null);
  const learned: LearnedRounding[] = [];
  const { iterations = 500, onProgress, signal } = options;
  const total = iterations * open.length;
  for (const [i, weight] of open.entries()) {
    const beforeIteration = async (iteration: number): Promise<void> => {
      if (iteration % 20 !== 0) return;
      onProgress?.({ weight: weight.name, done: i * iterations + iteration, total });
      // Lets signals in: the search itself never leaves the microtask queue.
      await new Promise((resolve) => setTimeout(resolve, 0));
      signal?.throwIfAborted();
    };
    const seen = moments.byWeight.get(weight.name) as SecondMoments;
    const hasBias = biasOf(model, weight.name, weight.variable.size / seen.inputs) !== null;
    const judged = options.correctsBiases === true && hasBias ? centred(seen) : seen;
    learned.push(await learnWeight(weight, judged, { ...options, beforeIteration }));
  }
  onProgress?.({ weight: open.at(-1)?.name ?? "", done: total, total });
  return { learned, skipped };
}

function reasonToSkip(
  name: string,
  moments: ProductMoments,
): SkippedWeight<"too many inputs">["reason"] | null {
  const isTooLong = moments.byWeight.get(name)?.second === null;
  return whyUnseen(name, moments) ?? (isTooLong ? "too many inputs" : null);
}

/** E[x·xᵀ] − E[x]·E[x]ᵀ in place of E[x·xᵀ]. */
function centred(seen: SecondMoments): SecondMoments {
  const { inputs, mean } = seen;
  const second = seen.second.map((value, at) => {
    return value - mean[Math.floor(at / inputs)]! * mean[at % inputs]!;
  });
  return { ...seen, second };
}

async function learnWeight(
  weight: RoundedWeight,
  seen: SecondMoments,
  options: RoundingSearchOptions,
): Promise<LearnedRounding> {
  const problem = roundingProblem(weight, weight.variable, seen);
  try {
    const found = await searchRounding(problem, options);
    const [searched, nearest] = [found, problem.nearest].map((ups) => ups.dataSync<"float32">());
    found.dispose();
    const arrays = flipProblemOf(problem, seen);
    const ups = better(arrays, searched!, nearest!);
    assignRounded(weight, problem, ups, seen.transposed);
    const changed = ups.reduce((count, up, at) => count + (up === nearest![at] ? 0 : 1), 0);
    return {
      weight: weight.name,
      nearestError: meanOf(errorsOf(arrays, nearest!)),
      learnedError: meanOf(errorsOf(arrays, ups)),
      changed: changed / ups.length,
    };
  } finally {
    tf.dispose(Object.values(problem));
  }
}

function flipProblemOf(
  { low, high, error }: RoundingProblem,
  { inputs, second }: SecondMoments,
): FlipProblem {
  const width = tf.tidy(() => tf.sub(high, low).dataSync<"float32">());
  const outputs = low.shape[1];
  return { inputs, outputs, error: error.dataSync<"float32">(), width, hessian: second };
}

/** For each output the better end of turning choices over from two beginnings. */
function better(problem: FlipProblem, searched: Float32Array, nearest: Float32Array): Float32Array {
  const ends = [searched, nearest].map((ups) => flipRounding(problem, ups)) as [
    ReturnType<typeof flipRounding>,
    ReturnType<typeof flipRounding>,
  ];
  const { outputs } = problem;
  return ends[0].ups.map((up, at) => {
    const n = at % outputs;
    return ends[0].errors[n]! < ends[1].errors[n]! ? up : ends[1].ups[at]!;
  });
}

/** Sets the weight to the chosen grid values, and checks that its quantizer leaves them alone. */
function assignRounded(
  { name, variable, quantizer }: RoundedWeight,
  { low, high }: RoundingProblem,
  ups: Float32Array,
  transposed: boolean,
): void {
  tf.tidy(() => {
    const isUp = tf.cast(tf.tensor2d(ups, low.shape), "bool");
    const matrix = tf.where<tf.Tensor2D>(isUp, high, low);
    const values = tf.reshape(transposed ? tf.transpose(matrix) : matrix, variable.shape);
    const strays = tf.sum(tf.cast(tf.notEqual(quantizer.apply(values), values), "int32"));
    const count = strays.dataSync()[0]!;
    if (count > 0) {
      throw new TrainingError(
        `learned rounding, "${name}": expected values on the weight's grid, received ${count} that ` +
          `its quantizer moves. Use a grid whose range does not follow the weight.`,
      );
    }
    variable.assign(values);
  });
}

function meanOf(errors: Float64Array): number {
  return errors.reduce((sum, error) => sum + error, 0) / Math.max(errors.length, 1);
}
