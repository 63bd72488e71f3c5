/** What statistics ask of a tensor: `core/observe.ts` over a backend's memory. */
import { sampleRanges, valueHistogram } from "../../core/observe.ts";
import type { KernelCall, LoopKernel } from "../loop-kernel.ts";

/** x, mask? [rows] → minima, maxima, mean. */
export const sampleRangesKernel: LoopKernel = {
  name: "QatSampleRanges",
  outputShapes: (_shapes, attributes) => [[2 * (attributes.samples as number) + 2]],
  run(call) {
    const { samples } = call.attributes as { samples: number };
    sampleRanges(call.floats("x"), { samples, mask: maskOf(call) }, call.out[0]!);
  },
};

/** x, mask? [rows] → counts [cells], squares [2]. */
export const valueHistogramKernel: LoopKernel = {
  name: "QatValueHistogram",
  outputTypes: ["int32", "float32"],
  outputShapes: (_shapes, attributes) => [[attributes.cells as number], [2]],
  run(call) {
    const spec = call.attributes as { cells: number; width: number; center: number };
    const out = { counts: call.intOut, squares: call.out[0]! };
    valueHistogram(call.floats("x"), maskOf(call), spec, out);
  },
};

function maskOf(call: KernelCall): Float32Array | null {
  return call.has("mask") ? call.floats("mask") : null;
}
