/** Dropout by the counter-based generator of `core/dropout-hash.ts`. */
import { dropThreshold, HASH_MULTIPLIER, HASH_STRIDE, mixBits } from "../../core/dropout-hash.ts";
import type { LoopKernel } from "../loop-kernel.ts";

/** x, seed (int32 scalar) → x/(1 − rate) where the element's hash reaches the threshold, else 0. */
export const dropoutKernel: LoopKernel = {
  name: "QatDropout",
  outputShapes: ({ x }) => [x!],
  run(call) {
    const x = call.floats("x");
    const out = call.out[0]!;
    const rate = call.attributes.rate as number;
    const mixedSeed = mixBits(call.ints("seed")[0]!);
    const threshold = dropThreshold(rate);
    const keep = Math.fround(1 - rate);
    for (let i = 0; i < x.length; i++) {
      // dropoutHash, written out: this loop runs over every activation of a step, twice.
      let h = mixedSeed ^ Math.imul(i, HASH_STRIDE);
      h = Math.imul(h ^ (h >>> 16), HASH_MULTIPLIER);
      h = Math.imul(h ^ (h >>> 16), HASH_MULTIPLIER);
      out[i] = (h ^ (h >>> 16)) >>> 0 >= threshold ? x[i]! / keep : 0;
    }
  },
};
