/** Scores of additive attention as kernels: `core/additive-scores.ts` over a backend's memory. */
import {
  additiveScores,
  additiveScoresGradient,
  type AdditiveScoresInputs,
  type AdditiveScoresSize,
} from "../../core/additive-scores.ts";
import { type Grid, gridOf } from "../../core/affine.ts";
import type { Rounding } from "../../core/qtype.ts";
import { KernelError } from "../../errors.ts";
import type { KernelCall, LoopKernel } from "../loop-kernel.ts";

/** What of a call describes grids and sizes. */
type ScoresCall = Pick<KernelCall, "floats" | "has" | "shape" | "attributes">;

/** The grid of the tangents; null where there is no clip. */
export function tangentGridOf(call: ScoresCall): Grid | null {
  if (!call.has("clip")) return null;
  const { bits, rounding } = call.attributes;
  return gridOf("act", bits as number, call.floats("clip")[0]!, rounding as Rounding);
}

/**
 * Sizes by the queries and the keys.
 * @throws {KernelError} if they do not fit together
 */
export function scoresSizeOf(call: ScoresCall): AdditiveScoresSize {
  const [queries, keys] = [call.shape("queries"), call.shape("keys")];
  const [batch, time, units] = queries as [number, number, number];
  if (keys[0] === batch && keys[2] === units) return { batch, time, sourceTime: keys[1]!, units };
  throw new KernelError(
    `additiveScores: expected queries and keys of one batch and one width, received ` +
      `[${queries.join(", ")}] and [${keys.join(", ")}]. Project both to the same width.`,
  );
}

function inputsOf(call: ScoresCall): AdditiveScoresInputs {
  const [queries, keys] = [call.floats("queries"), call.floats("keys")];
  const [bias, weights] = [call.floats("bias"), call.floats("weights")];
  return { queries, keys, bias, weights, grid: tangentGridOf(call) };
}

/** queries [batch, time, units], keys, bias, weights, clip? → [batch, time, sourceTime]. */
export const additiveScoresKernel: LoopKernel = {
  name: "QatAdditiveScores",
  outputShapes: ({ queries, keys }) => [[queries![0]!, queries![1]!, keys![1]!]],
  run(call) {
    additiveScores(inputsOf(call), scoresSizeOf(call), call.out[0]!);
  },
};

/** dscores, queries, keys, bias, weights, clip? → the gradients of all but dscores. */
export const additiveScoresGradKernel: LoopKernel = {
  name: "QatAdditiveScoresGrad",
  outputShapes: ({ queries, keys, bias, weights, clip }) => [
    ...[queries!, keys!, bias!, weights!],
    ...(clip === undefined ? [] : [clip]),
  ],
  run(call) {
    const [dqueries, dkeys, dbias, dweights, dclip = null] = call.out as [
      ...[Float32Array, Float32Array, Float32Array, Float32Array],
      ...[Float32Array?],
    ];
    const inputs = { ...inputsOf(call), dscores: call.floats("dscores") };
    const compat = call.attributes.compat as "none" | "neurst";
    const out = { dqueries, dkeys, dbias, dweights, dclip };
    additiveScoresGradient(inputs, scoresSizeOf(call), compat, out);
  },
};
