/**
 * What the steps of decoding leave, in blocks whose shapes stay the same from step to step, so that a
 * captured step can be replayed. Blocks that are full are only read.
 */
import * as tf from "@tensorflow/tfjs";

/** Steps of a block. */
export const BLOCK_STEPS = 16;

/**
 * A block with the cells of one more step.
 * @param block [BLOCK_STEPS · capacity, width]: capacity rows for each step; it stays as it is
 * @param cells [rows, width], rows ≤ capacity
 * @param position int32 scalar, the number of steps before
 * @returns shape of the block; the caller disposes it
 */
export function writeCells(
  block: tf.Tensor2D,
  cells: tf.Tensor2D,
  position: tf.Scalar,
): tf.Tensor2D {
  return tf.tidy(() => {
    const capacity = block.shape[0] / BLOCK_STEPS;
    const step = tf.mod(position, tf.scalar(BLOCK_STEPS, "int32"));
    const first = tf.mul(step, tf.scalar(capacity, "int32"));
    const rows = tf.add(tf.range(0, cells.shape[0], 1, "int32"), first);
    return tf.tensorScatterUpdate<tf.Rank.R2>(block, tf.expandDims(rows, 1), cells);
  });
}

/**
 * Each block with its part of the places.
 * @param blocks [BLOCK_STEPS · capacity, width] each
 * @param places int32 [rows, BLOCK_STEPS · blocks]: rows of the step's block
 */
export function placesInBlocks({
  blocks,
  places,
}: {
  readonly blocks: readonly tf.Tensor2D[];
  readonly places: tf.Tensor2D;
}): { cells: tf.Tensor2D; places: tf.Tensor }[] {
  const rows = places.shape[0];
  return blocks.map((cells, i) => ({
    cells,
    places: tf.slice(places, [0, i * BLOCK_STEPS], [rows, BLOCK_STEPS]),
  }));
}
