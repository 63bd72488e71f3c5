/** Cross-entropy with label smoothing in one pass over the logits. */
import type { KernelCall, LoopKernel } from "../loop-kernel.ts";

/** logits [rows, V], targets [rows] → loss [rows], p [rows, V]; sums in float64. */
export const crossEntropyKernel: LoopKernel = {
  name: "QatCrossEntropy",
  outputShapes: ({ logits, targets }) => [targets!, logits!],
  run(call) {
    const logits = call.float("logits");
    const targets = call.int("targets");
    const [loss, p] = call.out as [Float32Array, Float32Array];
    const { classes, other, atTarget } = smoothedTargets(call, "logits");
    const perfect = call.attributes.perfect as number;
    for (let row = 0; row < targets.length; row++) {
      const start = row * classes;
      const end = start + classes;
      let max = -Infinity;
      for (let i = start; i < end; i++) if (!(logits[i]! <= max)) max = logits[i]!;
      let sum = 0;
      let sumOfLogits = 0;
      for (let i = start; i < end; i++) {
        const v = logits[i]! - max;
        // The engine's own exponential: this loop is for training, where no other must agree in bits.
        const e = Math.exp(v);
        p[i] = e;
        sum += e;
        sumOfLogits += v;
      }
      const scale = 1 / sum;
      for (let i = start; i < end; i++) p[i] = p[i]! * scale;
      const logSum = Math.log(sum);
      const target = logits[start + targets[row]!]! - max - logSum;
      const all = sumOfLogits - classes * logSum;
      loss[row] = -(atTarget - other) * target - other * all - perfect;
    }
  },
};

/** dloss [rows], p [rows, V], targets [rows] → dlogits = (p − q)·dloss. */
export const crossEntropyGradKernel: LoopKernel = {
  name: "QatCrossEntropyGrad",
  outputShapes: ({ p }) => [p!],
  run(call) {
    const p = call.float("p");
    const dloss = call.float("dloss");
    const targets = call.int("targets");
    const dlogits = call.out[0]!;
    const { classes, other, atTarget } = smoothedTargets(call, "p");
    for (let row = 0; row < targets.length; row++) {
      const start = row * classes;
      const g = dloss[row]!;
      for (let i = start; i < start + classes; i++) dlogits[i] = (p[i]! - other) * g;
      const at = start + targets[row]!;
      dlogits[at] = (p[at]! - atTarget) * g;
    }
  },
};

function smoothedTargets(
  call: KernelCall,
  input: string,
): { classes: number; other: number; atTarget: number } {
  const classes = call.shape(input)[1]!;
  const smoothing = call.attributes.smoothing as number;
  return { classes, other: smoothing / Math.max(classes - 1, 1), atTarget: 1 - smoothing };
}
