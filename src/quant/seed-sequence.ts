/** Seeds for dropout where no trainer provides them. */
import * as tf from "@tensorflow/tfjs";
import type { DropoutSource } from "./pass.ts";

/** A fixed sequence of dropout seeds: the n-th seed depends on the start and on n alone. */
export class SeedSequence implements DropoutSource {
  readonly #start: number;
  #count = 0;

  /** @param start any integer */
  constructor(start: number) {
    this.#start = start;
  }

  nextSeed(): tf.Scalar {
    this.#count += 1;
    // Multiplication by an odd constant spreads the counter over 32 bits (Knuth).
    return tf.scalar((this.#start ^ Math.imul(this.#count, 0x9e3779b1)) | 0, "int32");
  }
}
