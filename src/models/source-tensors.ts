/** Source sentences as tensors. */
import * as tf from "@tensorflow/tfjs";
import { DataError } from "../errors.ts";

/**
 * [batch, time], each row padded with its own last id; the caller disposes it.
 * @param granularity the time is a multiple of this
 * @throws {DataError} for a sentence without ids
 */
export function paddedIds(sources: readonly Int32Array[], granularity = 1): tf.Tensor2D {
  const longest = Math.max(...sources.map((ids) => ids.length));
  if (!(longest > 0) || sources.some((ids) => ids.length === 0)) {
    throw new DataError(
      `decode: expected source sentences of one id or more, received an empty one. ` +
        `Give each sentence its end-of-sentence id.`,
    );
  }
  const time = Math.ceil(longest / granularity) * granularity;
  const padded = new Int32Array(sources.length * time);
  sources.forEach((ids, row) => {
    padded.fill(ids.at(-1)!, row * time, (row + 1) * time).set(ids, row * time);
  });
  return tf.tensor2d(padded, [sources.length, time], "int32");
}

/** int32 [batch]: the length of each sentence; the caller disposes it. */
export function lengthsOf(sources: readonly Int32Array[]): tf.Tensor1D {
  return tf.tensor1d(
    Int32Array.from(sources, (ids) => ids.length),
    "int32",
  );
}
