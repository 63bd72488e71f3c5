/** Which positions of a padded batch are real, as watchers of a pass ask. */
import * as tf from "@tensorflow/tfjs";
import { asksPositions, type Pass, type Positions } from "../quant/pass.ts";

/**
 * The same pass for layers whose tensors have other positions. Where nobody asks, the pass itself, and
 * `make` is not called.
 */
export function atPositions(pass: Pass, make: () => Positions): Pass {
  return asksPositions(pass) ? { ...pass, positions: make() } : pass;
}

/**
 * Of tensors [batch, time, …].
 * @param lengths int32 [batch]; null: all real
 * @param sampleAxes 1: a sequence is a sample; 2: each of its positions is
 */
export function batchMajor(
  lengths: tf.Tensor1D | null,
  time: number,
  sampleAxes: 1 | 2 = 1,
): Positions {
  if (lengths === null) return { mask: tf.ones([1, 1]), sampleAxes };
  const at = tf.range(0, time, 1, "int32");
  return { mask: toMask(tf.less(at, tf.expandDims(lengths, 1))), sampleAxes };
}

/** Of tensors [time, batch, …]; each row of each time is a sample. */
export function timeMajor(lengths: tf.Tensor1D | null, time: number): Positions {
  if (lengths === null) return { mask: tf.ones([1, 1]), sampleAxes: 2 };
  const at = tf.expandDims(tf.range(0, time, 1, "int32"), 1);
  return { mask: toMask(tf.less(at, lengths)), sampleAxes: 2 };
}

/** Of tensors [batch · time, …] whose rows are those of {@link batchMajor}; each is a sample. */
export function flatRows({ mask }: Positions): Positions {
  return { mask: tf.reshape(mask, [-1]), sampleAxes: 1 };
}

/** Of tensors [batch, heads, time, …] whose positions are those of a pass' tensors [batch, time, …]. */
export function acrossHeads(positions: Positions | null): Positions {
  const { mask, sampleAxes } = positions ?? { mask: tf.ones([1, 1]), sampleAxes: 1 };
  if (sampleAxes === 1) return { mask: tf.expandDims(mask, 1), sampleAxes: 1 };
  return { mask: tf.expandDims(mask, 1), sampleAxes: 3 };
}

/** Of keys and values [batch, heads, keys, …]. */
export function headKeys(lengths: tf.Tensor1D | null, keys: number): Positions {
  return acrossHeads(batchMajor(lengths, keys));
}

/** Which keys queries see: key j of batch b where j < lengths[b] and, if causal, not after the query. */
export interface SeenKeys {
  readonly lengths: tf.Tensor1D | null;
  readonly queries: number;
  readonly keys: number;
  readonly causal: boolean;
}

/**
 * Of scores [batch, heads, queries, keys]: real queries that see the key.
 * @param queries positions of the queries [batch, time]; null: all
 */
export function seenScores(queries: Positions | null, seen: SeenKeys): Positions {
  const { lengths, causal } = seen;
  const { mask, sampleAxes } = acrossHeads(queries);
  const first = tf.expandDims(mask, 3);
  const key = tf.range(0, seen.keys, 1, "int32");
  const real =
    lengths === null
      ? first
      : tf.mul(first, toMask(tf.less(key, tf.reshape(lengths, [-1, 1, 1, 1]))));
  if (!causal) return { mask: real, sampleAxes };
  const last = tf.range(seen.keys - seen.queries, seen.keys, 1, "int32");
  return { mask: tf.mul(real, toMask(tf.lessEqual(key, tf.expandDims(last, 1)))), sampleAxes };
}

const steps = new WeakMap<Positions, readonly Positions[]>();

/**
 * Passes for the steps [batch, …] of a sequence [time, batch, …]; none where nobody asks or all is
 * real. Layers one above the other share them.
 */
export function stepPasses(pass: Pass, time: number): readonly Pass[] {
  const { positions } = pass;
  if (positions == null || !asksPositions(pass)) return [];
  let all = steps.get(positions);
  if (all === undefined) {
    const { mask } = positions;
    const parts = mask.shape[0] === 1 ? [tf.reshape(mask, [-1])] : tf.unstack(mask);
    all = parts.map((part) => ({ mask: part, sampleAxes: 1 }));
    steps.set(positions, all);
  }
  const ofSteps = all.map((own) => ({ ...pass, positions: own }));
  return Array.from({ length: time }, (_, t) => ofSteps[ofSteps.length === 1 ? 0 : t]!);
}

function toMask(isReal: tf.Tensor): tf.Tensor {
  return tf.cast(isReal, "float32");
}
