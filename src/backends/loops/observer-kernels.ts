/** Range and histogram of a tensor's values, as calibration sees them. */
import type { LoopKernel } from "../loop-kernel.ts";

/** x → smallest and largest value. */
export const valueRangeKernel: LoopKernel = {
  name: "QatValueRange",
  outputShapes: () => [[2]],
  run(call) {
    let [least, most] = [Infinity, -Infinity];
    // Math.min and Math.max keep NaN.
    for (const value of call.floats("x")) {
      least = Math.min(least, value);
      most = Math.max(most, value);
    }
    call.out[0]!.set([least, most]);
  },
};

/** x → number of values in each cell of magnitude. */
export const magnitudeHistogramKernel: LoopKernel = {
  name: "QatMagnitudeHistogram",
  outputTypes: ["int32"],
  outputShapes: (_shapes, attributes) => [[attributes.cells as number]],
  run(call) {
    const { cells, width } = call.attributes as { cells: number; width: number };
    const magnitude = call.attributes.positive === true ? (v: number) => Math.max(v, 0) : Math.abs;
    const counts = call.intOut.fill(0);
    for (const value of call.floats("x")) {
      const cell = width === 0 ? 0 : Math.floor(magnitude(value) / width);
      counts[Math.min(cell, cells - 1)]!++;
    }
  },
};
