/** What statistics ask of a tensor: `core/observe.ts` over a backend's memory. */
import { SAMPLE_RANGES_SIZE, sampleRanges, valueHistogram } from "../../core/observe.ts";
import type { KernelCall, LoopKernel } from "../loop-kernel.ts";

/** x, mask? [rows] → ends, sums of the samples' ends, mean, squares. */
export const sampleRangesKernel: LoopKernel = {
  name: "QatSampleRanges",
  outputShapes: () => [[SAMPLE_RANGES_SIZE]],
  run(call) {
    const { samples } = call.attributes as { samples: number };
    sampleRanges(call.floats("x"), { samples, mask: maskOf(call) }, call.out[0]!);
  },
};

/** x, mask? [rows] → counts [cells]. */
export const valueHistogramKernel: LoopKernel = {
  name: "QatValueHistogram",
  outputTypes: ["int32"],
  outputShapes: (_shapes, attributes) => [[attributes.cells as number]],
  run(call) {
    const spec = call.attributes as { width: number; begin: number; cells: number };
    valueHistogram(call.floats("x"), maskOf(call), spec, call.intOut);
  },
};

function maskOf(call: KernelCall): Float32Array | null {
  return call.has("mask") ? call.floats("mask") : null;
}
