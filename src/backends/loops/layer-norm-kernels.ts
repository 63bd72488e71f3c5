/** Layer normalization: the forward pass of `core/layer-norm.ts`, and its gradient. */
import { layerNorm } from "../../core/layer-norm.ts";
import type { LoopKernel } from "../loop-kernel.ts";

/** x [..., width], gamma, beta [width] → y. */
export const layerNormKernel: LoopKernel = {
  name: "QatLayerNorm",
  outputShapes: ({ x }) => [x!],
  run(call) {
    const gamma = call.float("gamma");
    const beta = call.float("beta");
    const epsilon = call.attributes.epsilon as number;
    layerNorm(call.float("x"), call.out[0]!, { gamma, beta, epsilon });
  },
};

/** dy, x [..., width], gamma [width] → dx, dgamma, dbeta; sums in float64. */
export const layerNormGradKernel: LoopKernel = {
  name: "QatLayerNormGrad",
  outputShapes: ({ x, gamma }) => [x!, gamma!, gamma!],
  run(call) {
    const gamma = call.float("gamma");
    const width = gamma.length;
    const sums = { gamma: new Float64Array(width), beta: new Float64Array(width) };
    const row: GradientRow = {
      x: call.float("x"),
      dy: call.float("dy"),
      dx: call.out[0]!,
      gamma,
      epsilon: call.attributes.epsilon as number,
      sums,
      normalized: new Float64Array(width),
    };
    for (let start = 0; start < row.x.length; start += width) gradientOfRow(row, start);
    call.out[1]!.set(sums.gamma);
    call.out[2]!.set(sums.beta);
  },
};

interface GradientRow {
  readonly x: Float32Array;
  readonly dy: Float32Array;
  readonly dx: Float32Array;
  readonly gamma: Float32Array;
  readonly epsilon: number;
  readonly sums: { readonly gamma: Float64Array; readonly beta: Float64Array };
  /** Scratch: the normalized row. */
  readonly normalized: Float64Array;
}

function gradientOfRow(row: GradientRow, start: number): void {
  const { x, dy, dx, gamma, epsilon, sums, normalized } = row;
  const width = gamma.length;
  let mean = 0;
  for (let j = 0; j < width; j++) mean += x[start + j]!;
  mean /= width;
  let variance = 0;
  for (let j = 0; j < width; j++) variance += (x[start + j]! - mean) ** 2;
  const inverse = 1 / Math.sqrt(variance / width + epsilon);
  let meanG = 0;
  let meanGh = 0;
  for (let j = 0; j < width; j++) {
    const h = (x[start + j]! - mean) * inverse;
    const d = dy[start + j]!;
    const g = d * gamma[j]!;
    normalized[j] = h;
    meanG += g;
    meanGh += g * h;
    sums.gamma[j] = sums.gamma[j]! + d * h;
    sums.beta[j] = sums.beta[j]! + d;
  }
  meanG /= width;
  meanGh /= width;
  for (let j = 0; j < width; j++) {
    const g = dy[start + j]! * gamma[j]!;
    dx[start + j] = inverse * (g - meanG - normalized[j]! * meanGh);
  }
}
