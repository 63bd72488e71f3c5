/** The best tokens of each row, by the rules of `core/top-candidates.ts`. */
import { boolAttribute, typeAttribute, TYPES } from "../binding.ts";
import type { NativeCall, NativeKernel } from "../native-kernel.ts";
import type { Value } from "../op-run.ts";
import type { Ops } from "../ops.ts";

/**
 * logits [rows, classes], accumulated [rows], factor? → tokens, log-probabilities and scores [rows, size].
 * Of equal scores TensorFlow's TopKV2 takes the lower place first, as the rules ask for. What stands
 * behind a NaN or beside token −1 has no meaning.
 */
export const topCandidatesKernel: NativeKernel = {
  name: "QatTopCandidates",
  run(call) {
    const { ops } = call;
    const { size } = call.attributes as { size: number };
    const factor = call.optional("factor") ?? (call.attributes.factor as number);
    const logits = call.input("logits");
    const [rows, classes] = logits.shape as [number, number];
    const masked = maskedTokens(call, classes);
    const past = ops.reshape(call.input("accumulated"), [rows, 1]);
    const totals = withoutColumns(ops, ops.add(ops.logSoftmax(logits), past), masked);
    const count = Math.min(size, classes - masked.length);
    const best = bestPlaces(ops, ops.mul(totals, factor), count);
    const tokens = ops.select(best.isVoid, -1, tokensOf(ops, best.places, masked));
    const logProbs = ops.gather(totals, best.places, 1, 1);
    // The product once more: TopKV2 saw infinity in the place of NaN.
    const outputs = [tokens, logProbs, ops.mul(logProbs, factor)];
    const missing = size - count;
    if (missing === 0) return outputs;
    return outputs.map((out, i) => {
      const values = new Array<number>(rows * missing).fill(i === 0 ? -1 : 0);
      const shape = [rows, missing];
      return ops.concat([out, i === 0 ? ops.ints(values, shape) : ops.floats(values, shape)], 1);
    });
  },
};

/** The tokens that may not be chosen, in order. */
function maskedTokens({ attributes }: NativeCall, classes: number): number[] {
  const { maskedA, maskedB } = attributes as { maskedA: number; maskedB: number };
  const all = [...new Set([maskedA, maskedB])].sort((a, b) => a - b);
  return all.filter((token) => token >= 0 && token < classes);
}

/** x [rows, classes] without some columns: a score of −∞ would not tell them from others. */
function withoutColumns(ops: Ops, x: Value, columns: readonly number[]): Value {
  const [rows, classes] = x.shape as [number, number];
  const starts = [0, ...columns.map((column) => column + 1)];
  const parts = starts
    .map((start, i) => [start, (columns[i] ?? classes) - start] as const)
    .filter(([, width]) => width > 0)
    .map(([start, width]) => (width === classes ? x : ops.slice(x, [0, start], [rows, width])));
  return parts.length === 0 ? ops.slice(x, [0, 0], [rows, 0]) : ops.concat(parts, 1);
}

interface BestPlaces {
  /** int32 [rows, count]. */
  readonly places: Value;
  /** bool [rows, count]: places behind the first one of a row that has NaN. */
  readonly isVoid: Value;
}

function bestPlaces(ops: Ops, scores: Value, count: number): BestPlaces {
  const isNaN = ops.isNaN(scores);
  const comparable = ops.select(isNaN, Infinity, scores);
  const attributes = [boolAttribute("sorted", true), typeAttribute("T", TYPES.float32)];
  const inputs = [comparable, ops.scalar(count, TYPES.int32)];
  const places = ops.several("TopKV2", attributes, inputs, 2)[1]!;
  const keep = [boolAttribute("keep_dims", true), typeAttribute("Tidx", TYPES.int32)];
  const hasNaN = ops.op("Any", keep, [isNaN, ops.ints([1])]);
  const behind = ops.greater(ops.range(count), 0);
  return { places, isVoid: ops.and(hasNaN, behind) };
}

/** Tokens of places among the columns that are left. */
function tokensOf(ops: Ops, places: Value, masked: readonly number[]): Value {
  return masked.reduce((tokens, column) => {
    return ops.add(tokens, ops.cast(ops.greaterEqual(tokens, column), TYPES.int32));
  }, places);
}
