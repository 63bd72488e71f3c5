/** Cross-entropy with label smoothing: `core/cross-entropy.ts` over a backend's memory. */
import { crossEntropy, crossEntropyGradient } from "../../core/cross-entropy.ts";
import type { KernelCall, LoopKernel } from "../loop-kernel.ts";

/** logits [rows, V], targets [rows] → loss [rows], p [rows, V]. */
export const crossEntropyKernel: LoopKernel = {
  name: "QatCrossEntropy",
  outputShapes: ({ logits, targets }) => [targets!, logits!],
  run(call) {
    const [loss, p] = call.out as [Float32Array, Float32Array];
    const perfect = call.attributes.perfect as number;
    const spec = { ...smoothedTargets(call, "logits"), perfect };
    crossEntropy(call.floats("logits"), call.ints("targets"), spec, { p, loss });
  },
};

/** dloss [rows], p [rows, V], targets [rows] → dlogits = (p − q)·dloss. */
export const crossEntropyGradKernel: LoopKernel = {
  name: "QatCrossEntropyGrad",
  outputShapes: ({ p }) => [p!],
  run(call) {
    const [dloss, p] = [call.floats("dloss"), call.floats("p")];
    const targets = call.ints("targets");
    crossEntropyGradient(dloss, p, targets, smoothedTargets(call, "p"), call.out[0]!);
  },
};

/** The smoothed distribution of a call: its value at the target and elsewhere. */
export function smoothedTargets(
  call: Pick<KernelCall, "shape" | "attributes">,
  input: string,
): { classes: number; other: number; atTarget: number } {
  const classes = call.shape(input)[1]!;
  const smoothing = call.attributes.smoothing as number;
  return { classes, other: smoothing / Math.max(classes - 1, 1), atTarget: 1 - smoothing };
}
