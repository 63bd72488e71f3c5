/** Seeds and initializers of weights: the same model and seed give the same start everywhere. */
import * as tf from "@tensorflow/tfjs";

/** The host's initializer type, which it does not export by name. */
export type Initializer = ReturnType<typeof tf.initializers.ones>;

/**
 * Seed of one variable: FNV-1a over its name, mixed with the model's seed. Never 0, which the
 * host's normal generator takes as "not seeded".
 */
export function weightSeed(seed: number, name: string): number {
  let hash = (0x811c9dc5 ^ seed) >>> 0;
  for (let i = 0; i < name.length; i++) {
    hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193) >>> 0;
  }
  return (hash % 0x7fffffff) + 1;
}

/** Uniform over ±√(6/(inputs + outputs)). */
export function glorotUniform(seed: number, name: string): Initializer {
  return tf.initializers.glorotUniform({ seed: weightSeed(seed, name) });
}

/** Normal with mean 0 and deviation width^−½, for tables of vectors of that width. */
export function embeddingNormal(width: number, seed: number, name: string): Initializer {
  const args = { mean: 0, stddev: width ** -0.5, seed: weightSeed(seed, name) };
  return tf.initializers.randomNormal(args);
}

/** Uniform over ±range. */
export function uniform(range: number, seed: number, name: string): Initializer {
  const args = { minval: -range, maxval: range, seed: weightSeed(seed, name) };
  return tf.initializers.randomUniform(args);
}
