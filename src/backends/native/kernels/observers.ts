/** What statistics ask of a tensor, in float32 and with the cells of `core/observe.ts`. */
import { boolAttribute, typeAttribute, TYPES } from "../binding.ts";
import type { NativeCall, NativeKernel } from "../native-kernel.ts";
import type { Value } from "../op-run.ts";
import { sizeOf } from "../../loop-kernel.ts";
import type { Ops } from "../ops.ts";

/** x, mask? [rows] → ends, sums of the samples' ends, mean, squares. Minimum and maximum keep NaN. */
export const sampleRangesKernel: NativeKernel = {
  name: "QatSampleRanges",
  run(call) {
    const { ops } = call;
    const { samples } = call.attributes as { samples: number };
    const { values, isReal } = rowsOf(call, samples);
    const ends = (padding: number): Value => {
      const placed = isReal === null ? values : ops.select(isReal, values, padding);
      const whole = ops.reshape(placed, [samples, sizeOf(values.shape) / samples]);
      return padding > 0 ? ops.min(whole, [1]) : ops.max(whole, [1]);
    };
    const [minima, maxima] = [ends(Infinity), ends(-Infinity)];
    const sums = [minima, maxima].map((of) => {
      if (isReal === null) return ops.sum(of, [0]);
      // A sample of padding alone is the one whose smallest value is above its largest.
      return ops.sum(ops.select(ops.greater(minima, maxima), 0, of), [0]);
    });
    const mean = meanOf(ops, values, isReal);
    const zero = ops.scalar(0);
    const edges = [ops.min(minima, [0]), ops.max(maxima, [0])];
    const distance = ops.sub(values, mean);
    const real = isReal === null ? distance : ops.select(isReal, distance, 0);
    const squares = ops.sum(ops.square(real), [0, 1]);
    return [ops.stack([...edges, ...[...sums, mean, squares].flatMap((of) => [of, zero])], 0)];
  },
};

function meanOf(ops: Ops, values: Value, isReal: Value | null): Value {
  if (isReal === null) return ops.mean(values, [0, 1]);
  const rows = ops.sum(ops.cast(isReal, TYPES.float32), [0, 1]);
  const count = ops.maximum(ops.mul(rows, values.shape[1]!), 1);
  return ops.div(ops.sum(ops.select(isReal, values, 0), [0, 1]), count);
}

/** x, mask? [rows] → number of real values in each cell. */
export const valueHistogramKernel: NativeKernel = {
  name: "QatValueHistogram",
  run(call) {
    const { ops } = call;
    const { width, begin, cells } = call.attributes as Record<"width" | "begin" | "cells", number>;
    const { values, isReal } = rowsOf(call, 1);
    const quotient = width === 0 ? ops.zerosLike(values) : ops.floor(ops.mul(values, 1 / width));
    const cell = ops.clip(ops.sub(quotient, begin), 0, cells - 1);
    if (isReal === null) return [countOf(ops, cell, cells)];
    // One more cell takes the padding.
    const counts = countOf(ops, ops.select(isReal, cell, cells), cells + 1);
    return [ops.slice(counts, [0], [cells])];
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
