/** What statistics ask of a tensor, in float32 and with the cells of `core/observe.ts`. */
import { boolAttribute, typeAttribute, TYPES } from "../binding.ts";
import type { NativeCall, NativeKernel } from "../native-kernel.ts";
import type { Value } from "../op-run.ts";
import { sizeOf } from "../../loop-kernel.ts";
import type { Ops } from "../ops.ts";

/** x, mask? [rows] → minima and maxima of samples, the mean and 0. Minimum and maximum keep NaN. */
export const sampleRangesKernel: NativeKernel = {
  name: "QatSampleRanges",
  run(call) {
    const { ops } = call;
    const { samples } = call.attributes as { samples: number };
    const { values, isReal } = rowsOf(call, samples);
    const whole = ops.reshape(values, [samples, sizeOf(values.shape) / samples]);
    if (isReal === null) {
      const mean = ops.mean(ops.reshape(values, [-1]), [0]);
      return [edges(ops, whole, whole, ops.reshape(mean, [1]))];
    }
    const placed = (padding: number): Value =>
      ops.reshape(ops.select(isReal, values, padding), whole.shape);
    const real = ops.select(isReal, values, 0);
    const width = values.shape[1]!;
    const count = ops.mul(ops.sum(ops.cast(isReal, TYPES.float32), [0, 1]), width);
    const sum = ops.sum(real, [0, 1]);
    const mean = ops.reshape(ops.div(sum, ops.maximum(count, 1)), [1]);
    return [edges(ops, placed(Infinity), placed(-Infinity), mean)];
  },
};

function edges(ops: Ops, low: Value, high: Value, mean: Value): Value {
  return ops.concat([ops.min(low, [1]), ops.max(high, [1]), mean, ops.floats([0])], 0);
}

/** x, mask? [rows] → number of real values in each cell; squares around the centre and 0. */
export const valueHistogramKernel: NativeKernel = {
  name: "QatValueHistogram",
  run(call) {
    const { ops } = call;
    const spec = call.attributes as { cells: number; width: number; center: number };
    const { cells, width, center } = spec;
    const { values, isReal } = rowsOf(call, 1);
    const quotient = width === 0 ? ops.zerosLike(values) : ops.floor(ops.mul(values, 1 / width));
    const cell = ops.clip(ops.add(quotient, cells / 2), 0, cells - 1);
    const squares = ops.square(ops.sub(values, center));
    // One more cell takes the padding.
    const placed = isReal === null ? cell : ops.select(isReal, cell, cells);
    const real = isReal === null ? squares : ops.select(isReal, squares, 0);
    const counts = countOf(ops, placed, cells + 1);
    const sum = ops.reshape(ops.sum(real, [0, 1]), [1]);
    return [ops.slice(counts, [0], [cells]), ops.concat([sum, ops.floats([0])], 0)];
  },
};

/** x as [rows, width], and which rows are real [rows, 1]; null: all, in `least` rows. */
function rowsOf(call: NativeCall, least: number): { values: Value; isReal: Value | null } {
  const { ops } = call;
  const [x, mask] = [call.input("x"), call.optional("mask")];
  const rows = mask === null ? least : sizeOf(mask.shape);
  const values = ops.reshape(x, [rows, sizeOf(x.shape) / rows]);
  return { values, isReal: mask === null ? null : ops.greater(ops.reshape(mask, [rows, 1]), 0) };
}

function countOf(ops: Ops, cell: Value, cells: number): Value {
  const attributes = [
    typeAttribute("Tidx", TYPES.int32),
    typeAttribute("T", TYPES.int32),
    boolAttribute("binary_output", false),
  ];
  const flat = ops.reshape(ops.cast(cell, TYPES.int32), [sizeOf(cell.shape)]);
  // Without weights each counts once.
  return ops.op("DenseBincount", attributes, [flat, ops.scalar(cells, TYPES.int32), ops.ints([])]);
}
