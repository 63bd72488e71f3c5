/** Dropout of layers: active in training passes alone. */
import type * as tf from "@tensorflow/tfjs";
import { ConfigError } from "../errors.ts";
import { dropout } from "../ops/dropout.ts";
import type { Pass } from "../quant/pass.ts";

/** x with a share `rate` of its elements dropped in training; x itself otherwise. */
export function dropoutIn(x: tf.Tensor, rate: number, pass: Pass): tf.Tensor {
  if (!pass.training || rate === 0) return x;
  if (pass.dropout === null) {
    throw new ConfigError(
      `training pass: expected a dropout source for rate ${rate}, received null. ` +
        `Give the pass a DropoutSource, or set the dropout rates to 0.`,
    );
  }
  const seed = pass.dropout.nextSeed();
  const y = dropout(x, rate, seed);
  seed.dispose();
  return y;
}
