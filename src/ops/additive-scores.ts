/** Scores of additive attention. */
import * as tf from "@tensorflow/tfjs";
import { fakeQuant, type FakeQuantSpec } from "./fake-quant.ts";
import { tanh } from "./gate-activations.ts";
import { hasKernel, type KernelAttributes, runKernel, withGradientOfMany } from "./kernel.ts";

/** What the scores are made of; all float32. */
export interface AdditiveScoresInputs {
  /** [batch, time, units]. */
  readonly queries: tf.Tensor3D;
  /** [batch, sourceTime, units]. */
  readonly keys: tf.Tensor3D;
  /** [units]. */
  readonly bias: tf.Tensor1D;
  /** [units]: the weight of each hyperbolic tangent. */
  readonly weights: tf.Tensor1D;
  /** The clip of the tangents, a scalar; null leaves them in float. */
  readonly clip: tf.Tensor | null;
}

/**
 * score[b, t, s] = Σ over u of weights[u] · Q(tanh((queries[b, t, u] + keys[b, s, u]) + bias[u])) with
 * the quantizer Q of the clip. A kernel never holds the [batch, time, sourceTime, units] tangents.
 *
 * @param spec of the kind `act`; read where there is a clip
 * @returns float32 [batch, time, sourceTime], differentiable in everything; the caller disposes it
 * @see Bahdanau et al. 2015, arXiv:1409.0473, appendix A.1.2
 */
export function additiveScores(inputs: AdditiveScoresInputs, spec: FakeQuantSpec): tf.Tensor3D {
  if (!hasKernel("QatAdditiveScores")) return composition(inputs, spec);
  const { queries, keys, bias, weights, clip } = inputs;
  const given = { queries, keys, bias, weights, ...(clip === null ? {} : { clip }) };
  const attributes = attributesOf(spec);
  const results = withGradientOfMany(
    given,
    (save) => {
      save(Object.values(given));
      return runKernel("QatAdditiveScores", given, attributes, () => []);
    },
    ([dscores], saved) => {
      const names = Object.keys(given);
      const again = Object.fromEntries(names.map((name, i) => [name, saved[i]!]));
      const call = { dscores: dscores!, ...again };
      const gradients = runKernel("QatAdditiveScoresGrad", call, attributes, () => []);
      return Object.fromEntries(names.map((name, i) => [name, gradients[i]!]));
    },
  );
  return results[0] as tf.Tensor3D;
}

function composition(inputs: AdditiveScoresInputs, spec: FakeQuantSpec): tf.Tensor3D {
  const { queries, keys, bias, weights, clip } = inputs;
  const sums = tf.add(tf.add(tf.expandDims(queries, 2), tf.expandDims(keys, 1)), bias);
  const tangents = tanh(sums);
  const rounded = clip === null ? tangents : fakeQuant(tangents, clip, spec);
  const [batch, time, sourceTime, units] = rounded.shape as [number, number, number, number];
  const rows = tf.reshape(rounded, [batch * time * sourceTime, units]);
  const scores = tf.matMul(rows, tf.reshape(weights, [units, 1]));
  return tf.reshape(scores, [batch, time, sourceTime]);
}

function attributesOf({ bits, rounding, compat }: FakeQuantSpec): KernelAttributes {
  return { bits, rounding, compat };
}
