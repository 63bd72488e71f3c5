/**
 * AdaRound's search: a choice between two grid values that is continuous at first and is pressed into a
 * binary one, with its exact gradient through H.
 */
import * as tf from "@tensorflow/tfjs";
import { adamRate, adamUpdate } from "../ops/adam.ts";
import type { RoundingProblem } from "./rounding-problem.ts";

/** How the choice is learned. */
export interface RoundingSearchOptions {
  /** Steps of Adam for each weight [default: 500]. */
  readonly iterations?: number;
  /** [default: 0.03] */
  readonly learningRate?: number;
  /**
   * λ of the term that presses choices to 0 and 1, where H has a mean of 1 on its diagonal and errors
   * are in steps of the grid [default: 1].
   */
  readonly regularization?: number;
  /** Called before each of the iterations, and awaited; throwing ends the search. */
  readonly beforeIteration?: (iteration: number) => Promise<void> | void;
}

/** Ends of the stretched sigmoid, ζ and γ. */
const [ZETA, GAMMA] = [1.1, -0.1];
/** β falls linearly from the first to the last value after the warm start. */
const BETA = { first: 20, last: 2 } as const;
/** Share of the iterations without the term that presses. */
const WARM_START = 0.2;
const ADAM = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 } as const;

/**
 * min over V of Σ dᵀ·H·d + λ·Σ (1 − |2h − 1|^β), d = low − w + h·(high − low),
 * h = clip(σ(V)·(ζ − γ) + γ, 0, 1); every output is a problem of its own. Draws no random numbers.
 * @returns 1 where h ≥ ½, else 0, [inputs, outputs]; the caller disposes it
 * @see Nagel et al. 2020, arXiv:2004.10568, equations 21 to 25
 */
export async function searchRounding(
  problem: RoundingProblem,
  options: RoundingSearchOptions = {},
): Promise<tf.Tensor2D> {
  const { iterations = 500, learningRate = 0.03, regularization = 1 } = options;
  const scaled = inSteps(problem);
  let state = firstState(scaled);
  const warm = Math.floor(WARM_START * iterations);
  try {
    for (let i = 0; i < iterations; i++) {
      await options.beforeIteration?.(i);
      const beta = BETA.first + ((BETA.last - BETA.first) * (i - warm)) / (iterations - warm);
      const press = i < warm ? null : { beta, regularization };
      const rate = adamRate(learningRate, ADAM, i + 1);
      const next = adamStep(state, rate, () => gradientOf(scaled, state.value, press));
      disposeAll(state);
      state = next;
    }
    return tf.tidy(() => tf.cast(tf.greaterEqual(state.value, 0), "float32"));
  } finally {
    disposeAll(state);
    disposeAll(scaled);
  }
}

/** The problem in units that λ and the learning rate fit, whatever the weight. */
interface ScaledProblem {
  /** (low − w)/step. */
  readonly error: tf.Tensor2D;
  /** (high − low)/step: 1, or 0 where there is no choice. */
  readonly width: tf.Tensor2D;
  /** H with a mean of 1 on its diagonal. */
  readonly hessian: tf.Tensor2D;
}

interface SearchState {
  /** V. */
  readonly value: tf.Tensor2D;
  readonly m: tf.Tensor;
  readonly v: tf.Tensor;
}

function disposeAll(tensors: ScaledProblem | SearchState): void {
  tf.dispose(Object.values(tensors));
}

function inSteps({ low, high, error, hessian }: RoundingProblem): ScaledProblem {
  return tidied(() => {
    const gap = tf.sub<tf.Tensor2D>(high, low);
    const step = oneForZero(tf.max(gap, 0, true));
    const size = hessian.shape[0];
    const mean = oneForZero(tf.div(tf.sum(tf.mul(hessian, tf.eye(size))), tf.scalar(size)));
    return {
      error: tf.div(error, step),
      width: tf.div(gap, step),
      hessian: tf.div(hessian, mean),
    };
  });
}

function oneForZero(x: tf.Tensor): tf.Tensor {
  return tf.where(tf.greater(x, 0), x, tf.onesLike(x));
}

/** V with h = (w − low)/step: nothing is rounded yet. */
function firstState({ error }: ScaledProblem): SearchState {
  const value = tf.tidy((): tf.Tensor2D => {
    const h = tf.clipByValue(tf.neg(error), 0, 1);
    const inverse = tf.div(tf.fill(h.shape, ZETA - GAMMA), tf.sub(h, GAMMA));
    return tf.neg(tf.log(tf.sub(inverse, 1)));
  });
  return { value, m: tf.zerosLike(value), v: tf.zerosLike(value) };
}

function adamStep(state: SearchState, rate: number, gradientAt: () => tf.Tensor): SearchState {
  return tidied(() => {
    const gradient = gradientAt();
    const { value, m, v } = adamUpdate({ ...state, gradient, rate: tf.scalar(rate), ...ADAM });
    return { value: value as tf.Tensor2D, m, v };
  });
}

/** tf.tidy for a record of tensors, which its type does not know to be one. */
function tidied<T extends object>(body: () => T): T {
  return tf.tidy(body as () => tf.TensorContainer) as T;
}

function gradientOf(
  { error, width, hessian }: ScaledProblem,
  value: tf.Tensor2D,
  press: { readonly beta: number; readonly regularization: number } | null,
): tf.Tensor {
  const sigma = tf.sigmoid(value);
  const stretched = tf.add(tf.mul(sigma, ZETA - GAMMA), GAMMA);
  const h = tf.clipByValue(stretched, 0, 1);
  const d = tf.add<tf.Tensor2D>(error, tf.mul(h, width));
  let byH = tf.mul<tf.Tensor>(tf.mul(tf.matMul(hessian, d), width), 2);
  if (press !== null) {
    const { beta, regularization } = press;
    const centred = tf.sub(tf.mul(h, 2), 1);
    const power = tf.pow(tf.abs(centred), tf.scalar(beta - 1));
    byH = tf.sub(byH, tf.mul(tf.mul(tf.sign(centred), power), 2 * beta * regularization));
  }
  const inside = tf.cast(tf.equal(h, stretched), "float32");
  const slope = tf.mul(tf.mul(sigma, tf.sub(1, sigma)), ZETA - GAMMA);
  return tf.mul(byH, tf.mul(slope, inside));
}
