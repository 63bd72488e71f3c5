/** Weights of a model as plain arrays by checkpoint name. */
import type * as tf from "@tensorflow/tfjs";

/** One weight or clip. */
export interface Weight {
  readonly shape: readonly number[];
  /** float32, row-major. */
  readonly data: Float32Array;
}

/** Weights and clips by checkpoint name. */
export type Weights = ReadonlyMap<string, Weight>;

/** Copies of the current values of variables. */
export async function readWeights(variables: ReadonlyMap<string, tf.Variable>): Promise<Weights> {
  const weights = new Map<string, Weight>();
  for (const [name, variable] of variables) {
    const data = new Float32Array(await variable.data<"float32">());
    weights.set(name, { shape: [...variable.shape], data });
  }
  return weights;
}
