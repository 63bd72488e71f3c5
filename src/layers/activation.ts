/** Activation functions by name. */
import * as tf from "@tensorflow/tfjs";
import { UnknownNameError } from "../errors.ts";
import { sigmoid, tanh } from "../ops/gate-activations.ts";

const ACTIVATIONS = {
  linear: (x: tf.Tensor) => x,
  relu: (x: tf.Tensor) => tf.relu(x),
  sigmoid: (x: tf.Tensor) => sigmoid(x),
  /** min(max(x/5 + ½, 0), 1): what gates of tf.layers have unless told otherwise. */
  hardSigmoid: (x: tf.Tensor) => tf.clipByValue(tf.add(tf.mul(x, 0.2), 0.5), 0, 1),
  tanh: (x: tf.Tensor) => tanh(x),
  /** ½x(1 + tanh(√(2/π)(x + 0.044715x³))), NeurST's `gelu` and `gelu_approx`. */
  gelu: (x: tf.Tensor) => {
    const inner = tf.mul(tf.add(x, tf.mul(tf.pow(x, 3), 0.044715)), Math.sqrt(2 / Math.PI));
    return tf.mul(tf.mul(x, 0.5), tf.add(tf.tanh(inner), 1));
  },
  /** x·Φ(x), NeurST's `gelu_nonapprox`. */
  exactGelu: (x: tf.Tensor) => tf.mul(tf.mul(x, 0.5), tf.add(tf.erf(tf.div(x, Math.SQRT2)), 1)),
} as const;

/** Name of an activation function. Without underscores: the host's files would drop them. */
export type Activation = keyof typeof ACTIVATIONS;

const NEURST_NAMES: Readonly<Record<string, Activation>> = {
  relu: "relu",
  tanh: "tanh",
  gelu: "gelu",
  gelu_approx: "gelu",
  gelu_nonapprox: "exactGelu",
};

/** activation(x), element by element. */
export function activate<T extends tf.Tensor>(x: T, activation: Activation): T {
  return ACTIVATIONS[activation](x) as T;
}

/**
 * The activation that NeurST calls `name`.
 * @throws {UnknownNameError} naming the parameter `where`
 */
export function activationOf(where: string, name: string): Activation {
  const activation = NEURST_NAMES[name];
  if (activation === undefined) {
    throw new UnknownNameError(where, "activation", name, Object.keys(NEURST_NAMES));
  }
  return activation;
}
