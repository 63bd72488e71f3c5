/** Dropout seeds that depend on nothing but the run's seed, the step and the place in the model. */
import * as tf from "@tensorflow/tfjs";
import { dropoutHash, mixBits } from "../core/dropout-hash.ts";
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
