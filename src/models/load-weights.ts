/** Gives a model the weights of a checkpoint, by name. */
import * as tf from "@tensorflow/tfjs";
import { CheckpointError } from "../errors.ts";
import { isRangeName } from "../quant/clip-name.ts";
import { ROOT_SCOPE } from "./layer-paths.ts";
import type { Seq2SeqModel } from "./model.ts";

/** One tensor of a checkpoint, row-major. */
export interface WeightArray {
  readonly shape: readonly number[];
  readonly data: ArrayLike<number>;
}

/**
 * Assigns every variable. Clips, scales and zero points alone may be missing (a float checkpoint starts a
 * quantized model; they keep their values) or surplus (a quantized checkpoint gives its weights to a
 * float model).
 * The checkpoint's root scope may differ from ours. Checks everything first, so that a misfit
 * changes nothing.
 * @param where names the checkpoint in messages
 * @param only assigns the variables whose name matches alone; the others keep their values, and
 *   what the checkpoint has for them does not matter. Null: all
 * @returns names of the clips, scales and zero points that were not assigned
 * @throws {CheckpointError} listing missing, surplus and misshapen tensors, and those with NaN or
 *   infinite values
 */
export function assignWeights(
  model: Seq2SeqModel,
  weights: ReadonlyMap<string, WeightArray>,
  where: string,
  only: RegExp | null = null,
): string[] {
  const isWanted = (name: string): boolean => only?.test(name) ?? true;
  const renamed = new Map([...withOurRoot(model, weights)].filter(([name]) => isWanted(name)));
  const { variables } = model;
  const missing = [...variables.keys()].filter((name) => isWanted(name) && !renamed.has(name));
  const surplus = [...renamed.keys()].filter((name) => !variables.has(name));
  const misshapen = [...variables]
    .filter(([name, v]) => renamed.has(name) && renamed.get(name)!.shape.join() !== v.shape.join())
    .map(
      ([name, v]) => `${name} [${renamed.get(name)!.shape.join(", ")}] for [${v.shape.join(", ")}]`,
    );
  const problems = [
    ...listed(
      "missing",
      missing.filter((name) => !isRangeName(name)),
    ),
    ...listed(
      "surplus",
      surplus.filter((name) => !isRangeName(name)),
    ),
    ...listed("of another shape", misshapen),
  ];
  if (problems.length > 0) {
    throw new CheckpointError(
      `${where}: expected the tensors of this ${model.className}, received ${problems.join("; ")}. ` +
        `Use the architecture and vocabulary that the checkpoint was made with.`,
    );
  }
  const broken = [...renamed].filter(([name, { data }]) => variables.has(name) && !allFinite(data));
  if (broken.length > 0) {
    const names = broken.map(([name]) => name);
    throw new CheckpointError(
      `${where}: expected finite weights, received ` +
        `${listed("with NaN or infinite values", names).join("")}. Use an earlier checkpoint.`,
    );
  }
  for (const [name, variable] of variables) {
    const array = renamed.get(name);
    if (array === undefined) continue;
    tf.tidy(() => {
      variable.assign(tf.tensor(Float32Array.from(array.data), variable.shape, "float32"));
    });
  }
  return [...variables.keys()].filter((name) => isRangeName(name) && !renamed.has(name));
}

/** The checkpoint's tensors, with its root scope replaced where all names share another one. */
function withOurRoot(
  model: Seq2SeqModel,
  weights: ReadonlyMap<string, WeightArray>,
): ReadonlyMap<string, WeightArray> {
  const roots = new Set([...weights.keys()].map((name) => name.split("/")[0]!));
  const [root] = roots;
  if (root === undefined || roots.size > 1 || root === ROOT_SCOPE) return weights;
  const rename = (name: string): string => ROOT_SCOPE + name.slice(root.length);
  const hasCommonName = [...weights.keys()].some((name) => model.variables.has(rename(name)));
  return hasCommonName
    ? new Map([...weights].map(([name, array]) => [rename(name), array]))
    : weights;
}

function allFinite(data: ArrayLike<number>): boolean {
  for (let i = 0; i < data.length; i++) if (!Number.isFinite(data[i])) return false;
  return true;
}

function listed(what: string, names: readonly string[]): string[] {
  if (names.length === 0) return [];
  const shown = names.slice(0, 5).join(", ");
  const more = names.length > 5 ? ` and ${names.length - 5} more` : "";
  return [`${names.length} ${what} (${shown}${more})`];
}
