/** Sigmoid and hyperbolic tangent: `core/gate-activations.ts` over a backend's memory. */
import { sigmoid32, tanh32 } from "../../core/gate-activations.ts";
import type { KernelName } from "../../ops/kernel.ts";
import type { LoopKernel } from "../loop-kernel.ts";

function elementwise(name: KernelName, f: (x: number) => number): LoopKernel {
  return {
    name,
    outputShapes: ({ x }) => [x!],
    run(call) {
      const x = call.floats("x");
      const out = call.out[0]!;
      for (let i = 0; i < x.length; i++) out[i] = f(x[i]!);
    },
  };
}

/** x → σ(x). */
export const sigmoidKernel = elementwise("QatSigmoid", sigmoid32);
/** x → tanh x. */
export const tanhKernel = elementwise("QatTanh", tanh32);
