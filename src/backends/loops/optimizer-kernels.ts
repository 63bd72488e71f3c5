/** Adam's update and the sum of squares. */
import type { LoopKernel } from "../loop-kernel.ts";

/** value, gradient, m, v → new value, m, v; computed in float64, each result rounded once. */
export const adamKernel: LoopKernel = {
  name: "QatAdam",
  outputShapes: ({ value }) => [value!, value!, value!],
  run(call) {
    const value = call.float("value");
    const gradient = call.float("gradient");
    const m = call.float("m");
    const v = call.float("v");
    const [newValue, newM, newV] = call.out as [Float32Array, Float32Array, Float32Array];
    const { rate, beta1, beta2, epsilon } = call.attributes as Record<string, number>;
    const part1 = 1 - beta1!;
    const part2 = 1 - beta2!;
    for (let i = 0; i < value.length; i++) {
      const g = gradient[i]!;
      const mi = m[i]! + (g - m[i]!) * part1;
      const vi = v[i]! + (g * g - v[i]!) * part2;
      newM[i] = mi;
      newV[i] = vi;
      newValue[i] = value[i]! - (mi * rate!) / (Math.sqrt(vi) + epsilon!);
    }
  },
};

/** x → Σ x², summed in float64. */
export const squareSumKernel: LoopKernel = {
  name: "QatSquareSum",
  outputShapes: () => [[]],
  run(call) {
    const x = call.float("x");
    let sum = 0;
    for (let i = 0; i < x.length; i++) sum += x[i]! * x[i]!;
    call.out[0]![0] = sum;
  },
};
