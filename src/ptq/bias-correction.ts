/** Bias correction: the mean error that rounded weights bring into their product is taken off the bias. */
import * as tf from "@tensorflow/tfjs";
import type { Seq2SeqModel } from "../models/model.ts";
import {
  type InputMoments,
  type ProductMoments,
  type SkippedWeight,
  whyUnseen,
} from "./product-moments.ts";
import { biasOf, roundedWeights, type RoundedWeight } from "./quantized-weights.ts";

/** How far a bias was shifted. */
export interface BiasShift {
  readonly weight: string;
  readonly outputs: number;
  /** Root of the mean square of the shift over outputs. */
  readonly rms: number;
  /** Largest absolute shift. */
  readonly largest: number;
}

export interface BiasCorrectionReport {
  readonly shifts: readonly BiasShift[];
  /** Weights whose products' mean error stays. */
  readonly skipped: readonly SkippedWeight<"no bias">[];
}

/** Weights before they were rounded, by checkpoint name. */
export type FloatWeights = ReadonlyMap<string, tf.Tensor>;

/**
 * bias −= (Ŵ − W)ᵀ·E[x] for every rounded weight with a bias: the mean of x·Ŵ + bias over the inputs
 * becomes that of x·W + bias. Weights, their codes and ranges stay. Apply it once, after the weights
 * have their last rounding.
 *
 * @param moments of the inputs that the rounded weights meet, see {@link collectMoments}
 * @param originals W, where the variables no longer hold it [default: the variables]
 * @see Nagel et al. 2019, arXiv:1906.04721, section 4.2, with E[x] measured
 */
export function correctBiases(
  model: Seq2SeqModel,
  moments: ProductMoments,
  originals: FloatWeights = new Map(),
): BiasCorrectionReport {
  const shifts: BiasShift[] = [];
  const skipped: SkippedWeight<"no bias">[] = [];
  for (const weight of roundedWeights(model).values()) {
    const { name } = weight;
    const unseen = whyUnseen(name, moments);
    if (unseen !== null) {
      skipped.push({ weight: name, reason: unseen });
      continue;
    }
    const seen = moments.byWeight.get(name)!;
    const outputs = weight.variable.size / seen.inputs;
    const bias = biasOf(model, name, outputs);
    if (bias === null) {
      skipped.push({ weight: name, reason: "no bias" });
      continue;
    }
    tf.tidy(() => {
      const shift = meanError(weight, originals.get(name) ?? weight.variable, seen);
      bias.assign(tf.sub(bias, shift));
      shifts.push(shiftOf(name, shift.dataSync<"float32">()));
    });
  }
  return { shifts, skipped };
}

/** (Ŵ − W)ᵀ·E[x], [outputs]. */
function meanError(
  { variable, quantizer }: RoundedWeight,
  original: tf.Tensor,
  { inputs, transposed, mean }: InputMoments,
): tf.Tensor1D {
  const error = tf.sub(quantizer.apply(variable), original);
  const matrix: tf.Tensor2D = tf.reshape(error, transposed ? [-1, inputs] : [inputs, -1]);
  const row = tf.tensor2d(Float32Array.from(mean), [1, inputs]);
  return tf.reshape(tf.matMul(row, matrix, false, transposed), [-1]);
}

function shiftOf(weight: string, shift: Float32Array): BiasShift {
  const sum = shift.reduce((total, value) => total + value * value, 0);
  const largest = shift.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  return { weight, outputs: shift.length, rms: Math.sqrt(sum / shift.length), largest };
}
