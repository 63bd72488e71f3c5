/** What statistics ask of a tensor: `core/observe.ts` over a backend's memory. */
import { observe, OBSERVED_RANGES } from "../../core/observe.ts";
import type { LoopKernel } from "../loop-kernel.ts";

/** x, mask? [rows] → counts [cells], ranges. */
export const observeKernel: LoopKernel = {
  name: "QatObserve",
  outputTypes: ["int32", "float32"],
  outputShapes: (_shapes, attributes) => [[attributes.cells as number], [OBSERVED_RANGES]],
  run(call) {
    const { samples } = call.attributes as { samples: number };
    const mask = call.has("mask") ? call.floats("mask") : null;
    observe(call.floats("x"), { samples, mask }, { counts: call.intOut, ranges: call.out[0]! });
  },
};
