/** What statistics ask of a tensor, in float32 and with the cells of `core/observe.ts`. */
import { boolAttribute, typeAttribute, TYPES } from "../binding.ts";
import type { NativeCall, NativeKernel } from "../native-kernel.ts";
import type { Value } from "../op-run.ts";
import { LEAST_CELL_EXPONENT } from "../../../core/histogram.ts";
import { sizeOf } from "../../loop-kernel.ts";
import type { Ops } from "../ops.ts";

/**
 * x, mask? [rows] → counts [cells]; ends, sums of the samples' ends, mean, squares. Minimum and maximum
 * keep NaN.
 */
export const observeKernel: NativeKernel = {
  name: "QatObserve",
  run(call) {
    const { ops } = call;
    const { samples, cells } = call.attributes as { samples: number; cells: number };
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
    const [min, max] = [ops.min(minima, [0]), ops.max(maxima, [0])];
    const mean = meanOf(ops, values, isReal);
    const distance = ops.sub(values, mean);
    const real = isReal === null ? distance : ops.select(isReal, distance, 0);
    const squares = ops.sum(ops.square(real), [0, 1]);
    const zero = ops.scalar(0);
    const parts = [...sums, mean, squares].flatMap((of) => [of, zero]);
    const magnitude = ops.maximum(ops.sub(0, min), max);
    const quotient = ops.floor(ops.mul(values, inverseWidth(ops, magnitude, cells)));
    // NaN, which no cast may see, has no cell of its own.
    const known = ops.select(ops.isNaN(quotient), 0, quotient);
    const cell = ops.clip(ops.add(known, cells / 2), 0, cells - 1);
    // One more cell takes the padding.
    const placed = isReal === null ? cell : ops.select(isReal, cell, cells);
    const counts = ops.slice(countOf(ops, placed, cells + 1), [0], [cells]);
    return [counts, ops.stack([min, max, ...parts], 0)];
  },
};

/** 1 / `cellWidth`, or 0 for the magnitude 0: looked up among powers of two, exactly. */
function inverseWidth(ops: Ops, magnitude: Value, cells: number): Value {
  const first = LEAST_CELL_EXPONENT + Math.log2(cells / 2);
  // To 2^128, which is an infinity in float32.
  const reaches = Array.from({ length: 129 - first }, (_, i) => 2 ** (first + i));
  const isTooNarrow = ops.cast(ops.less(ops.floats(reaches), magnitude), TYPES.int32);
  const place = ops.sum(isTooNarrow, [0]);
  const inverses = ops.floats(reaches.map((reach) => cells / 2 / reach));
  const inverse = ops.gather(inverses, place, 0, 0);
  return ops.select(ops.greater(magnitude, 0), inverse, 0);
}

function meanOf(ops: Ops, values: Value, isReal: Value | null): Value {
  if (isReal === null) return ops.mean(values, [0, 1]);
  const rows = ops.sum(ops.cast(isReal, TYPES.float32), [0, 1]);
  const count = ops.maximum(ops.mul(rows, values.shape[1]!), 1);
  return ops.div(ops.sum(ops.select(isReal, values, 0), [0, 1]), count);
}

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
