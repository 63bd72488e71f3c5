/** Adam's update and the sum of squares. */
import type { LoopKernel } from "../loop-kernel.ts";

/** value, gradient, m, v → new value, m, v; each operation rounded to float32. */
export const adamKernel: LoopKernel = {
  name: "QatAdam",
  outputShapes: ({ value }) => [value!, value!, value!],
  run(call) {
    const f = Math.fround;
    const value = call.float("value");
    const gradient = call.float("gradient");
    const m = call.float("m");
    const v = call.float("v");
    const [newValue, newM, newV] = call.out as [Float32Array, Float32Array, Float32Array];
    const { rate, beta1, beta2, epsilon } = call.attributes as Record<string, number>;
    const alpha = f(rate!);
    const part1 = f(1 - beta1!);
    const part2 = f(1 - beta2!);
    const eps = f(epsilon!);
    for (let i = 0; i < value.length; i++) {
      const g = gradient[i]!;
      const mi = f(m[i]! + f(f(g - m[i]!) * part1));
      const vi = f(v[i]! + f(f(f(g * g) - v[i]!) * part2));
      newM[i] = mi;
      newV[i] = vi;
      newValue[i] = value[i]! - f(f(mi * alpha) / f(f(Math.sqrt(vi)) + eps));
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
