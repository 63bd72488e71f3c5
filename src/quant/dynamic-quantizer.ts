/** A quantizer without a range of its own: each tensor gets the grid of its own values. */
import * as tf from "@tensorflow/tfjs";
import type { RangeSpec } from "../core/range-grid.ts";
import { ConfigError } from "../errors.ts";
import { affineQuant } from "../ops/affine-quant.ts";
import { type LiveRange, liveGrid } from "../ops/live-grid.ts";
import { clipFactor } from "./clip-factors.ts";
import type { ClipMethod } from "./config.ts";
import { Quantizer } from "./quantizers.ts";

/** Clip methods that a live tensor allows for. */
const LIVE_METHODS = ["none", "avg", "n_std", "gauss", "laplace"] as const;
type LiveMethod = (typeof LIVE_METHODS)[number];

/** What a {@link DynamicQuantizer} is made of. */
export interface DynamicQuantizerArgs {
  readonly path: string;
  readonly spec: RangeSpec;
  readonly method: ClipMethod;
  /** What n_std needs. */
  readonly nStds: number | null;
  /** Whether gauss and laplace count on values of one sign. */
  readonly halfRange: boolean;
}

/**
 * Rounds a tensor onto the grid of its live values, padding included:
 *
 * | method  | range                                                                          |
 * |---------|--------------------------------------------------------------------------------|
 * | none    | [min, max]                                                                     |
 * | avg     | means over the first axis of the smallest and of the largest value of each     |
 * | n_std   | [max(min, mean − N·std), min(max, mean + N·std)], std of the sample (n − 1)    |
 * | gauss   | α = std · factor of the bits: ±(\|mean\| + α), or where codes have a zero point |
 * |         | from max(min, mean − α) on 2α (half range: α) wide                             |
 * | laplace | the same with the mean absolute deviation and its factor                       |
 *
 * @see IntelLabs/distiller d859fc85, quantization/q_utils.py
 */
export class DynamicQuantizer extends Quantizer {
  readonly spec: RangeSpec;
  readonly method: LiveMethod;
  readonly #nStds: number | null;
  readonly #halfRange: boolean;

  /** @throws {ConfigError} for a method that needs statistics of many tensors, or n_std without N */
  constructor({ path, spec, method, nStds, halfRange }: DynamicQuantizerArgs) {
    super({ path, kind: spec.kind, bits: spec.bits });
    this.spec = spec;
    this.method = liveMethod(path, method);
    if (method === "n_std" && nStds === null) {
      throw new ConfigError(
        `quant_clip_n_stds of "${path}": expected a number with n_std, received none. ` +
          `Give how many standard deviations are kept.`,
      );
    }
    this.#nStds = nStds;
    this.#halfRange = halfRange;
  }

  override apply(x: tf.Tensor): tf.Tensor {
    // A tensor without elements has no range.
    if (x.size === 0) return x.clone();
    return tf.tidy(() => {
      const { grid, codes } = liveGrid(this.spec, this.rangeOf(x));
      return affineQuant(x, grid, codes);
    });
  }

  /** The range of a tensor, scalars; caller disposes. */
  rangeOf(x: tf.Tensor): LiveRange {
    const [lo, hi] = [tf.min(x), tf.max(x)];
    if (this.method === "none") return { lo, hi };
    if (this.method === "avg") return averageRange(x);
    const mean = tf.mean(x);
    if (this.method === "n_std") {
      const reach = tf.mul(sampleDeviation(x, mean), this.#nStds!);
      return {
        lo: tf.maximum(lo, tf.sub(mean, reach)),
        hi: tf.minimum(hi, tf.add(mean, reach)),
      };
    }
    const deviation =
      this.method === "gauss" ? sampleDeviation(x, mean) : tf.mean(tf.abs(tf.sub(x, mean)));
    const alpha = tf.mul(deviation, clipFactor(this.method, this.bits, this.#halfRange));
    if (this.spec.mode === "symmetric" || this.spec.mode === "symmetric_restricted") {
      const reach = tf.add(tf.abs(mean), alpha);
      return { lo: tf.neg(reach), hi: reach };
    }
    const begin = tf.maximum(lo, tf.sub(mean, alpha));
    return { lo: begin, hi: tf.add(begin, this.#halfRange ? alpha : tf.mul(alpha, 2)) };
  }
}

function liveMethod(path: string, method: ClipMethod): LiveMethod {
  const found = LIVE_METHODS.find((known) => known === method);
  if (found !== undefined) return found;
  throw new ConfigError(
    `quant_act_clip of "${path}": expected one of ${LIVE_METHODS.join(", ")} with quant_dynamic, ` +
      `received ${method}. What else there is needs statistics of many tensors.`,
  );
}

/** The mean over samples, which lie along the first axis, of their extremes. */
function averageRange(x: tf.Tensor): LiveRange {
  const samples = tf.reshape(x, [x.rank === 0 ? 1 : x.shape[0], -1]);
  return { lo: tf.mean(tf.min(samples, 1)), hi: tf.mean(tf.max(samples, 1)) };
}

/** √(Σ (x − mean)²/(n − 1)); 0 for a single value. */
function sampleDeviation(x: tf.Tensor, mean: tf.Tensor): tf.Tensor {
  const squares = tf.sum(tf.square(tf.sub(x, mean)));
  return tf.sqrt(tf.div(squares, Math.max(x.size - 1, 1)));
}
