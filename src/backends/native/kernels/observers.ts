/** Range and histogram of a tensor's values, as calibration sees them. */
import { boolAttribute, typeAttribute, TYPES } from "../binding.ts";
import type { NativeKernel } from "../native-kernel.ts";

/** x → smallest and largest value. Both keep NaN. */
export const valueRangeKernel: NativeKernel = {
  name: "QatValueRange",
  run(call) {
    const { ops } = call;
    const x = call.input("x");
    const axes = x.shape.map((_, i) => i);
    return [ops.stack([ops.min(x, axes), ops.max(x, axes)], 0)];
  },
};

/** x → number of values in each cell of magnitude; the quotient is a float32. */
export const magnitudeHistogramKernel: NativeKernel = {
  name: "QatMagnitudeHistogram",
  run(call) {
    const { ops } = call;
    const x = ops.reshape(call.input("x"), [-1]);
    const { cells, width } = call.attributes as { cells: number; width: number };
    const magnitude = call.attributes.positive === true ? ops.maximum(x, 0) : ops.abs(x);
    const quotient = width === 0 ? ops.zerosLike(x) : ops.floor(ops.div(magnitude, width));
    const cell = ops.cast(ops.clip(quotient, 0, cells - 1), TYPES.int32);
    const attributes = [
      typeAttribute("Tidx", TYPES.int32),
      typeAttribute("T", TYPES.int32),
      boolAttribute("binary_output", false),
    ];
    // Without weights each counts once.
    const inputs = [cell, ops.scalar(cells, TYPES.int32), ops.ints([])];
    return [ops.op("DenseBincount", attributes, inputs)];
  },
};
