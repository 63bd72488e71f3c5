/** How ranges are learnt: a catalogue, so that another strategy is one more entry. */
import * as tf from "@tensorflow/tfjs";
import { ClipQuantizer, type Quantizer } from "./quantizers.ts";

/** One way to start and to regularize clips. */
export interface QuantStrategy {
  /** Clip of a weight before the user's value or calibration sets it. */
  readonly initialWeightClip: number;
  /** Clip of an activation before the user's value or calibration sets it. */
  readonly initialActClip: number;
  /**
   * Scalar float32 to add to the task loss, differentiable in the clips; caller disposes.
   * Trainers report it apart from the task loss.
   */
  penalty(quantizers: Iterable<Quantizer>): tf.Scalar;
}

/**
 * The known strategies.
 *
 * `min/max` is NeurST's learned clip: starts at 1 (weights) and 16 (activations); penalty
 * Σ λ·clip², λ 0.001 for weights and 0.01 for activations. A clip for each channel enters by the
 * mean of its squares, so that the granularity does not change the weight of the penalty.
 * @see NeurST, neurst/layers/quantization/quant_layers.py
 */
export const QUANT_STRATEGIES = {
  "min/max": {
    initialWeightClip: 1,
    initialActClip: 16,
    penalty: (quantizers) =>
      tf.tidy(() => {
        const clipped = [...quantizers]
          .filter((quantizer) => quantizer instanceof ClipQuantizer)
          .filter(({ clip }) => clip !== null);
        if (clipped.length === 0) return tf.scalar(0);
        // One tensor of all clips: a few operations in place of several for each clip.
        const clips = clipped.map(({ clip }) => tf.reshape<tf.Rank.R1>(clip!.read(), [-1]));
        const coefficients = clipped.flatMap(({ clipL2 }, i) => {
          const { size } = clips[i]!;
          return Array<number>(size).fill(clipL2 / size);
        });
        return tf.sum(tf.mul(tf.square(tf.concat1d(clips)), tf.tensor1d(coefficients)));
      }),
  },
} as const satisfies Record<string, QuantStrategy>;
