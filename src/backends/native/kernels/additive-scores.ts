/** Scores of additive attention. */
import { qtypeOf, type Rounding } from "../../../core/qtype.ts";
import type { NativeCall, NativeKernel } from "../native-kernel.ts";
import type { Value } from "../op-run.ts";
import { codesOf, gridOfClip, straightThrough, type Grid } from "./fake-quant.ts";

/** queries [batch, time, units], keys [batch, sourceTime, units], bias, weights, clip? → scores. */
export const additiveScoresKernel: NativeKernel = {
  name: "QatAdditiveScores",
  run(call) {
    const { ops } = call;
    const { codes, grid } = tangents(call);
    const weights = call.input("weights");
    // Codes times (weights·step): a pass over the big tensor less than values times weights.
    const scaled = grid === null ? weights : ops.mul(weights, grid.step);
    const column = ops.reshape(scaled, [weights.shape[0]!, 1]);
    return [ops.reshape(ops.product(codes, column, false, false), scoresShape(call))];
  },
};

/**
 * dscores, queries, keys, bias, weights, clip? → dqueries, dkeys, dbias, dweights, and dclip where
 * there is a clip. The tangents are made again; in a graph TensorFlow finds the forward pass' own.
 */
export const additiveScoresGradKernel: NativeKernel = {
  name: "QatAdditiveScoresGrad",
  run(call) {
    const { ops } = call;
    const { y, codes, grid } = tangents(call);
    const [weights, clip] = [call.input("weights"), call.optional("clip")];
    const units = weights.shape[0]!;
    const dscores = ops.reshape(call.input("dscores"), [-1, 1]);
    // Measured on a CPU: half the time of a product that broadcasts.
    const dvalues = ops.product(dscores, ops.reshape(weights, [1, units]), false, false);
    const sums = ops.reshape(ops.product(codes, dscores, true, false), [units]);
    const dweights = grid === null ? sums : ops.mul(sums, grid.step);
    if (grid === null) return [...inputGradients(call, ops.tanhGrad(y, dvalues)), dweights];
    const site = { grid, bits: call.attributes.bits as number };
    const { dx, below, above } = straightThrough(call, dvalues, y, site);
    let dclip = ops.add(above, ops.mul(below, grid.qmin / grid.qmax));
    if (call.attributes.compat === "neurst") dclip = ops.select(grid.isZero!, 0, dclip);
    const ofInputs = inputGradients(call, ops.tanhGrad(y, dx));
    return [...ofInputs, dweights, ops.reshape(dclip, clip!.shape)];
  },
};

/** Hyperbolic tangents [batch·time·sourceTime, units] and, on a grid, their codes; else the same. */
function tangents(call: NativeCall): { y: Value; codes: Value; grid: Grid | null } {
  const { ops } = call;
  const [queries, keys, clip] = [call.input("queries"), call.input("keys"), call.optional("clip")];
  const [batch, time, sourceTime] = scoresShape(call);
  const units = queries.shape[2]!;
  // The bias goes to the few queries, not to all sums.
  const withBias = ops.reshape(ops.biasAdd(queries, call.input("bias")), [batch, time, 1, units]);
  const sums = ops.add(withBias, ops.reshape(keys, [batch, 1, sourceTime, units]));
  const y = ops.tanh(ops.reshape(sums, [batch * time * sourceTime, units]));
  if (clip === null) return { y, codes: y, grid: null };
  const { bits, rounding } = call.attributes as { bits: number; rounding: Rounding };
  const { qmin, qmax } = qtypeOf("act", bits);
  const grid = gridOfClip(ops, ops.reshape(clip, []), { qmin, qmax, rounding });
  return { y, codes: codesOf(ops, y, grid), grid };
}

/** dqueries, dkeys and dbias. @param dsums [batch·time·sourceTime, units] */
function inputGradients(call: NativeCall, dsums: Value): Value[] {
  const { ops } = call;
  const all = ops.reshape(dsums, [...scoresShape(call), dsums.shape[1]!]);
  const dqueries = ops.sum(all, [2]);
  return [dqueries, ops.sum(all, [1]), ops.columnSum(dqueries)];
}

function scoresShape(call: NativeCall): [number, number, number] {
  const [queries, keys] = [call.input("queries"), call.input("keys")];
  return [queries.shape[0]!, queries.shape[1]!, keys.shape[1]!];
}
