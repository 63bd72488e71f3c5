/** Adam's update and the sum of squares. */
import { DoubleLanes } from "../../core/lane-sum.ts";
import type { LoopKernel } from "../loop-kernel.ts";

/** value, gradient, m, v, rate → new value, m, v; every operation is rounded to float32. */
export const adamKernel: LoopKernel = {
  name: "QatAdam",
  outputShapes: ({ value }) => [value!, value!, value!],
  run(call) {
    const f = Math.fround;
    const [value, gradient] = [call.floats("value"), call.floats("gradient")];
    const [m, v] = [call.floats("m"), call.floats("v")];
    const [newValue, newM, newV] = call.out as [Float32Array, Float32Array, Float32Array];
    const { beta1, beta2, epsilon } = call.attributes as Record<string, number>;
    const [part1, part2] = [f(1 - beta1!), f(1 - beta2!)];
    const [r, eps] = [call.floats("rate")[0]!, f(epsilon!)];
    for (let i = 0; i < value.length; i++) {
      const g = gradient[i]!;
      const mi = f(m[i]! + f(f(g - m[i]!) * part1));
      const vi = f(v[i]! + f(f(f(g * g) - v[i]!) * part2));
      newM[i] = mi;
      newV[i] = vi;
      newValue[i] = value[i]! - f(f(mi * r) / f(f(Math.sqrt(vi)) + eps));
    }
  },
};

/** x → Σ x², summed in four float64 lanes. */
export const squareSumKernel: LoopKernel = {
  name: "QatSquareSum",
  outputShapes: () => [[]],
  run(call) {
    const lanes = new DoubleLanes();
    call.floats("x").forEach((value, i) => {
      lanes.add(i, value * value);
    });
    call.out[0]![0] = lanes.sum;
  },
};
