/** Dropout seeds that depend on nothing but the run's seed, the step and the place in the model. */
import * as tf from "@tensorflow/tfjs";
import { dropoutHash, mixBits } from "../core/dropout-hash.ts";
import { TrainingError } from "../errors.ts";
import type { DropoutSource } from "../quant/pass.ts";

/**
 * Seeds of one step: the n-th dropout of the step gets hash(hash(run seed, step), n). So a resumed
 * run draws the masks that the uninterrupted one draws, without any state.
 */
export class StepDropout implements DropoutSource {
  readonly #stepSeed: number;
  #site = 0;

  constructor(runSeed: number, step: number) {
    this.#stepSeed = mixBits(dropoutHash(mixBits(runSeed), step));
  }

  nextSeed(): tf.Tensor {
    const seed = dropoutHash(this.#stepSeed, this.#site++);
    return tf.scalar(seed | 0, "int32");
  }
}

/** Seeds drawn before the step, or, as long as their number is not known, from their source. */
export class GivenSeeds implements DropoutSource {
  /** Seeds handed out. */
  used = 0;
  readonly #seeds: readonly tf.Tensor[] | null;
  readonly #source: DropoutSource;

  constructor(seeds: readonly tf.Tensor[] | null, source: DropoutSource) {
    this.#seeds = seeds;
    this.#source = source;
  }

  nextSeed(): tf.Tensor {
    const index = this.used++;
    if (this.#seeds === null) return this.#source.nextSeed();
    const seed = this.#seeds[index];
    if (seed !== undefined) return seed.clone();
    throw new TrainingError(
      `training step: expected ${this.#seeds.length} places of dropout, as in the first step, ` +
        `received one more. Use the same layers in each step.`,
    );
  }
}
