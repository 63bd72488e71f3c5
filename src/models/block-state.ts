/**
 * A decoding state whose layers keep their past in blocks (see `ops/cell-blocks.ts`): `past_0` … hold
 * each layer's blocks, oldest first, and rows count as they do elsewhere.
 */
import * as tf from "@tensorflow/tfjs";
import { BLOCK_STEPS } from "../ops/cell-blocks.ts";
import type { StepsInBlocks } from "./block-step.ts";
import type { DecodeState } from "./model.ts";
import type { StateRows } from "./state-rows.ts";

/** Rows that a step of each block has room for. */
export function capacityOf({ tensors }: DecodeState): number {
  const [block] = tensors["past_0"] ?? [];
  return block === undefined ? 0 : block.shape[0] / BLOCK_STEPS;
}

/**
 * Rows that a step computes where `rows` are wanted: the whole capacity, a half or a quarter. Finished
 * hypotheses still drop out, and shapes stay few.
 */
export function paddedRows(rows: number, capacity: number): number {
  const fits = [4, 2, 1].map((parts) => Math.ceil(capacity / parts));
  return fits.find((count) => count >= rows)!;
}

/**
 * The state with room for one more step of `rows` rows. Consumes `state`.
 * @returns a state whose capacity is `rows` or more
 */
export function roomFor(state: DecodeState, rows: number, sizes: StepsInBlocks): DecodeState {
  const { layers, cellWidth } = sizes;
  const capacity = Math.max(rows, capacityOf(state));
  const isFull = state.rows.time % BLOCK_STEPS === 0;
  const tensors: Record<string, readonly tf.Tensor[]> = { ...state.tensors };
  for (let i = 0; i < layers; i++) {
    const past = (tensors[`past_${i}`] ?? []).map((block) =>
      widened(block as tf.Tensor2D, capacity),
    );
    // Zeros: what a softmax leaves out is multiplied by 0, which must give 0.
    if (isFull) past.push(tf.keep(tf.zeros([BLOCK_STEPS * capacity, cellWidth])));
    tensors[`past_${i}`] = past;
  }
  return { ...state, tensors };
}

/** A block with room for more rows in each step, in the place of `block`. */
function widened(block: tf.Tensor2D, capacity: number): tf.Tensor2D {
  const [cells, width] = block.shape;
  const before = cells / BLOCK_STEPS;
  if (before === capacity) return block;
  const wide = tf.tidy(() => {
    const steps = tf.reshape<tf.Rank.R3>(block, [BLOCK_STEPS, before, width]);
    const padded = tf.pad3d(steps, [
      [0, 0],
      [0, capacity - before],
      [0, 0],
    ]);
    return tf.reshape<tf.Rank.R2>(padded, [BLOCK_STEPS * capacity, width]);
  });
  block.dispose();
  return tf.keep(wide);
}

/**
 * Where each step of each row is in its block, [count, BLOCK_STEPS · blocks]; 0 where there is none.
 * @param rows after the step that is made
 * @param count rows that the step computes
 */
export function placesOf(
  { ancestors, sentences, time }: StateRows,
  count: number,
  capacity: number,
): Int32Array {
  const columns = Math.ceil(time / BLOCK_STEPS) * BLOCK_STEPS;
  const places = new Int32Array(count * columns);
  for (let row = 0; row < sentences.length; row++) {
    for (let step = 0; step < time; step++) {
      const inBlock = (step % BLOCK_STEPS) * capacity;
      places[row * columns + step] = inBlock + ancestors[row * time + step]!;
    }
  }
  return places;
}
