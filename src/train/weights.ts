/** Weights of a model as plain arrays by checkpoint name, and back. */
import * as tf from "@tensorflow/tfjs";
import { CheckpointError } from "../errors.ts";

/** One weight or clip. */
export interface WeightArray {
  readonly shape: readonly number[];
  /** float32, row-major. */
  readonly data: Float32Array;
}

/** Weights and clips by checkpoint name. */
export type Weights = ReadonlyMap<string, WeightArray>;

/** Which differences between a checkpoint and a model are accepted; by default none. */
export interface AssignOptions {
  /** Names what the weights come from in messages. */
  readonly where: string;
  /** True for a variable that may keep its value, such as the clip of a float model's weight. */
  readonly mayBeMissing?: (name: string) => boolean;
  /** True for a tensor that the model need not have. */
  readonly mayBeSurplus?: (name: string) => boolean;
}

/** The accepted differences that were met. */
export interface AssignReport {
  readonly missing: readonly string[];
  readonly surplus: readonly string[];
}

const CLIP_SUFFIX = "_clip_max";

/** True for the name of a clip variable: `<weight>_clip_max` or `<quantizer>_clip_max`. */
export function isClipName(name: string): boolean {
  return name.endsWith(CLIP_SUFFIX);
}

/** Copies of the current values. */
export async function readWeights(variables: ReadonlyMap<string, tf.Variable>): Promise<Weights> {
  const weights = new Map<string, WeightArray>();
  for (const [name, variable] of variables) {
    const data = new Float32Array(await variable.data<"float32">());
    weights.set(name, { shape: [...variable.shape], data });
  }
  return weights;
}

/**
 * Gives variables the values of `weights`. Checks first, so that a misfit changes nothing.
 * @throws {CheckpointError} for missing, surplus or misshapen tensors
 */
export function assignWeights(
  variables: ReadonlyMap<string, tf.Variable>,
  weights: Weights,
  options: AssignOptions,
): AssignReport {
  const missing = [...variables.keys()].filter((name) => !weights.has(name));
  const surplus = [...weights.keys()].filter((name) => !variables.has(name));
  const { where, mayBeMissing = () => false, mayBeSurplus = () => false } = options;
  const lacks = missing.filter((name) => !mayBeMissing(name));
  if (lacks.length > 0) throw misfit(where, "every variable of the model", "no", lacks);
  const extra = surplus.filter((name) => !mayBeSurplus(name));
  if (extra.length > 0) throw misfit(where, "only variables of the model", "also", extra);
  for (const [name, variable] of variables) {
    const shape = weights.get(name)?.shape;
    if (shape !== undefined && shape.join() !== variable.shape.join()) {
      throw new CheckpointError(
        `${where}, "${name}": expected shape [${variable.shape.join(", ")}], ` +
          `received [${shape.join(", ")}]. ` +
          "Use the architecture and vocabulary that the checkpoint was made with.",
      );
    }
  }
  for (const [name, variable] of variables) {
    const array = weights.get(name);
    if (array === undefined) continue;
    tf.tidy(() => {
      variable.assign(tf.tensor(array.data.slice(), variable.shape, "float32"));
    });
  }
  return { missing, surplus };
}

function misfit(
  where: string,
  expected: string,
  has: "no" | "also",
  names: readonly string[],
): CheckpointError {
  const shown = names.slice(0, 3).map((name) => `"${name}"`);
  const more = names.length > shown.length ? ` and ${names.length - shown.length} more` : "";
  return new CheckpointError(
    `${where}: expected ${expected}, received ${has} ${shown.join(", ")}${more}. ` +
      "Use the architecture and quantization settings that the checkpoint was made with.",
  );
}
