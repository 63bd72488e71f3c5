/** Rounding to half precision: `core/float16.ts` over a backend's memory. */
import { roundFloat16 } from "../../core/float16.ts";
import type { LoopKernel } from "../loop-kernel.ts";

/** x → the nearest number of binary16. */
export const roundFloat16Kernel: LoopKernel = {
  name: "QatRoundFloat16",
  outputShapes: ({ x }) => [x!],
  run(call) {
    const x = call.floats("x");
    const out = call.out[0]!;
    for (let i = 0; i < x.length; i++) out[i] = roundFloat16(x[i]!);
  },
};
