/** Layer normalization and its gradient: `core/layer-norm.ts` over a backend's memory. */
import { layerNorm, layerNormGradient } from "../../core/layer-norm.ts";
import type { LoopKernel } from "../loop-kernel.ts";

/** x [..., width], gamma, beta [width] → y. */
export const layerNormKernel: LoopKernel = {
  name: "QatLayerNorm",
  outputShapes: ({ x }) => [x!],
  run(call) {
    const gamma = call.floats("gamma");
    const beta = call.floats("beta");
    const epsilon = call.attributes.epsilon as number;
    layerNorm(call.floats("x"), call.out[0]!, { gamma, beta, epsilon });
  },
};

/** dy, x [..., width], gamma [width] → dx, dgamma, dbeta. */
export const layerNormGradKernel: LoopKernel = {
  name: "QatLayerNormGrad",
  outputShapes: ({ x, gamma }) => [x!, gamma!, gamma!],
  run(call) {
    const [dx, dgamma, dbeta] = call.out as [Float32Array, Float32Array, Float32Array];
    const epsilon = call.attributes.epsilon as number;
    const [x, dy, gamma] = [call.floats("x"), call.floats("dy"), call.floats("gamma")];
    layerNormGradient({ x, dy, gamma, epsilon }, { dx, dgamma, dbeta });
  },
};
