/** A step of decoding whose tensors have the same shapes for many steps: what can be captured. */
import type * as tf from "@tensorflow/tfjs";
import type { Pass } from "../quant/pass.ts";

/** What one step is given; blocks are those of `ops/cell-blocks.ts`. */
export interface BlockStep {
  /** int32 [rows]: the previous token of each row. */
  readonly ids: tf.Tensor1D;
  /** int32 scalar: the number of steps before. */
  readonly position: tf.Scalar;
  /** int32 [rows]: the sentence of each row. */
  readonly sentences: tf.Tensor1D;
  /** int32 [rows, BLOCK_STEPS · blocks]: where each step, this one included, is in its block. */
  readonly places: tf.Tensor2D;
  /** int32 [sentences]: how many source positions are real. */
  readonly lengths: tf.Tensor1D;
  /** For each layer what it keeps of the source. */
  readonly memory: readonly tf.Tensor3D[];
  /** For each layer its blocks, [BLOCK_STEPS · capacity, cellWidth]; the last has room for this step. */
  readonly blocks: readonly (readonly tf.Tensor2D[])[];
}

/** How a model decodes in blocks. */
export interface StepsInBlocks {
  readonly layers: number;
  /** Width of what a step leaves in each layer. */
  readonly cellWidth: number;
  /** Steps that the model has positions for. */
  readonly mostSteps: number;
  /**
   * Scores of the next token of each row. Call it inside tf.tidy; inputs stay as they are.
   * @returns logits [rows, targetVocab], and for each layer its last block with this step in it
   */
  readonly step: (step: BlockStep, pass: Pass) => { logits: tf.Tensor2D; left: tf.Tensor2D[] };
}
