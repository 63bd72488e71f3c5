/** Rounding to half precision by TensorFlow's own casts. */
import { TYPES } from "../binding.ts";
import type { NativeKernel } from "../native-kernel.ts";

/** x → the nearest number of binary16. */
export const roundFloat16Kernel: NativeKernel = {
  name: "QatRoundFloat16",
  run: (call) => [call.ops.cast(call.ops.cast(call.input("x"), TYPES.half), TYPES.float32)],
};
