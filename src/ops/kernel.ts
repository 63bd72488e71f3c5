/**
 * How an operation finds a fast kernel: TensorFlow.js' registry is asked for the kernel of the
 * current backend, and the composition of TensorFlow.js operations runs where there is none.
 */
import * as tf from "@tensorflow/tfjs";

/** Kernels that a backend may register for these operations; see each operation for its inputs. */
export const KERNEL_NAMES = [
  "QatAdam",
  "QatAttentionSoftmax",
  "QatAttentionSoftmaxGrad",
  "QatCachedAttention",
  "QatColumnSum",
  "QatCrossEntropy",
  "QatCrossEntropyGrad",
  "QatDropout",
  "QatEmbeddingLookup",
  "QatFakeQuant",
  "QatFakeQuantCodes",
  "QatFakeQuantGrad",
  "QatFusedProduct",
  "QatLayerNorm",
  "QatLayerNormGrad",
  "QatLogSoftmax",
  "QatPackCodes",
  "QatScaleCodes",
  "QatSegmentSum",
  "QatSquareSum",
  "QatTopCandidates",
] as const;

/** Name of one of our kernels. */
export type KernelName = (typeof KERNEL_NAMES)[number];

/** Values that a kernel's attributes may have. */
export type KernelAttributes = Record<string, number | string | boolean>;

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
  // The registry's type hides that an unknown kernel is undefined.
  const kernel = tf.getKernel(name, tf.getBackend()) as tf.KernelConfig | undefined;
  if (kernel === undefined) return tf.tidy(composition);
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
    return {
      value: forward(save),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => backward(dy, saved),
    };
  });
  return operation(...inputs);
}
