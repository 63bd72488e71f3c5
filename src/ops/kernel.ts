/**
 * How an operation finds a fast kernel: TensorFlow.js' registry is asked for the kernel of the
 * current backend, and the composition of TensorFlow.js operations runs where there is none.
 */
import * as tf from "@tensorflow/tfjs";

/** Kernels that a backend may register for these operations; see each operation for its inputs. */
export const KERNEL_NAMES = [
  "QatAdam",
  "QatAdditiveScores",
  "QatAdditiveScoresGrad",
  "QatAffineLstmCell",
  "QatAffineQuant",
  "QatAffineQuantCodes",
  "QatAttentionSoftmax",
  "QatAttentionSoftmaxGrad",
  "QatCachedAttention",
  "QatCodeProduct",
  "QatColumnSum",
  "QatCrossEntropy",
  "QatCrossEntropyGrad",
  "QatDropout",
  "QatEmbeddingLookup",
  "QatFakeQuant",
  "QatFakeQuantCodes",
  "QatFakeQuantGrad",
  "QatFusedProduct",
  "QatJoinHeads",
  "QatLayerNorm",
  "QatLayerNormGrad",
  "QatLinear",
  "QatLogSoftmax",
  "QatLstmCell",
  "QatLstmSequence",
  "QatLstmSequenceGrad",
  "QatNarrowCodes",
  "QatObserve",
  "QatPackCodes",
  "QatRoundFloat16",
  "QatSegmentSum",
  "QatSigmoid",
  "QatSplitHeads",
  "QatSquareSum",
  "QatTanh",
  "QatTopCandidates",
] as const;

/** Name of one of our kernels. */
export type KernelName = (typeof KERNEL_NAMES)[number];

/** Values that a kernel's attributes may have. */
export type KernelAttributes = Record<string, number | string | boolean>;

/** Whether the current backend has the kernel `name`. */
export function hasKernel(name: KernelName): boolean {
  // The registry's type hides that an unknown kernel is undefined.
  return (tf.getKernel(name, tf.getBackend()) as tf.KernelConfig | undefined) !== undefined;
}

/**
 * Runs the current backend's kernel `name`, or the composition where there is no such kernel.
 *
 * @param inputs tensors by name; an input that is absent is left out
 * @returns the kernel's outputs, in its documented order; the caller disposes them
 */
export function runKernel(
  name: KernelName,
  inputs: Record<string, tf.Tensor>,
  attributes: KernelAttributes,
  composition: () => tf.Tensor[],
): tf.Tensor[] {
  if (!hasKernel(name)) return tf.tidy(composition);
  const out = tf.engine().runKernel<tf.Tensor | tf.Tensor[]>(name, inputs, attributes);
  return Array.isArray(out) ? out : [out];
}

/**
 * An operation with a hand-written gradient. `forward` receives the inputs and `save`, which keeps
 * tensors for the backward pass; `backward` receives the gradient of the result and what was saved,
 * and returns one gradient for each input. Nothing else may be captured: TensorFlow.js has disposed
 * the forward pass' tensors by then.
 */
export function withGradient(
  inputs: tf.Tensor[],
  forward: (save: (tensors: tf.Tensor[]) => void) => tf.Tensor,
  backward: (dy: tf.Tensor, saved: tf.Tensor[]) => tf.Tensor[],
): tf.Tensor {
  const operation = tf.customGrad((...inputsAndSave) => {
    const save = inputsAndSave[inputs.length] as (tensors: tf.Tensor[]) => void;
    let saved: tf.Tensor[] = [];
    const value = forward((tensors) => (saved = tensors));
    // Not before: where the forward pass fails nobody would free what the engine keeps.
    save(saved);
    return {
      value,
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => backward(dy, saved),
    };
  });
  return operation(...inputs);
}

/** The part of the engine that TensorFlow.js keeps to itself: operations of several results. */
interface MultiResultEngine {
  runKernelFunc(call: {
    inputs: Record<string, tf.Tensor>;
    forwardFunc: (backend: unknown, save: (tensors: tf.Tensor[]) => void) => tf.Tensor[];
    /** Receives one gradient, or a list where there are several results. */
    backwardsFunc: (
      dys: tf.Tensor | tf.Tensor[],
      saved: tf.Tensor[],
    ) => Record<string, () => tf.Tensor>;
  }): tf.Tensor[];
}

/**
 * An operation with several results and a hand-written gradient, which {@link withGradient} cannot
 * express.
 * @param inputs by name
 * @param forward receives `save`, which keeps tensors for the backward pass
 * @param backward receives the gradients of all results (zeros for one that is not used) and what
 *   was saved; returns a gradient for each name of `inputs`
 */
export function withGradientOfMany(
  inputs: Record<string, tf.Tensor>,
  forward: (save: (tensors: tf.Tensor[]) => void) => tf.Tensor[],
  backward: (dys: tf.Tensor[], saved: tf.Tensor[]) => Record<string, tf.Tensor>,
): tf.Tensor[] {
  const engine = tf.engine() as unknown as MultiResultEngine;
  return engine.runKernelFunc({
    inputs,
    forwardFunc: (_backend, save) => {
      let saved: tf.Tensor[] = [];
      const results = forward((tensors) => (saved = tensors));
      // Not before: where the forward pass fails nobody would free what the engine keeps.
      save(saved);
      return results;
    },
    backwardsFunc: (dys, saved) => {
      // Here, not where each is asked for: the engine frees what is made there besides the one.
      const gradients = Object.entries(backward([dys].flat(), saved));
      return Object.fromEntries(gradients.map(([name, gradient]) => [name, () => gradient]));
    },
  });
}
