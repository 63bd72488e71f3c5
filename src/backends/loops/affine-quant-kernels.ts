/** Fake quantization by scale and zero point as kernels: `core/quantize.ts` over a backend's memory. */
import type { Grid } from "../../core/affine.ts";
import { gridOfZeroPoint } from "../../core/range-grid.ts";
import {
  channelLayout,
  type ChannelLayout,
  fakeQuantArray,
  quantizeArray,
} from "../../core/quantize.ts";
import type { KernelCall, LoopKernel } from "../loop-kernel.ts";

/** The grids that a call's scales, zero points and attributes describe. */
export function affineGridsOf(call: Pick<KernelCall, "floats" | "shape" | "attributes">): {
  grids: Grid[];
  layout: ChannelLayout;
} {
  const { qmin, qmax, axis } = call.attributes as Record<string, number>;
  const isPerTensor = axis! < 0 || call.shape("scale").length === 0;
  const layout = channelLayout(call.shape("x"), isPerTensor ? null : axis!);
  const zeroPoints = call.floats("zeroPoint");
  const stored = { qmin: qmin!, qmax: qmax! };
  const grids = Array.from(call.floats("scale"), (scale, c) =>
    gridOfZeroPoint(stored, scale, zeroPoints[c]!),
  );
  return { grids, layout };
}

/** x, scale, zeroPoint → values. */
export const affineQuantKernel: LoopKernel = {
  name: "QatAffineQuant",
  outputShapes: ({ x }) => [x!],
  run(call) {
    const { grids, layout } = affineGridsOf(call);
    fakeQuantArray(call.floats("x"), call.out[0]!, grids, layout);
  },
};

/** x, scale, zeroPoint → centred codes. */
export const affineQuantCodesKernel: LoopKernel = {
  name: "QatAffineQuantCodes",
  outputShapes: ({ x }) => [x!],
  run(call) {
    const { grids, layout } = affineGridsOf(call);
    quantizeArray(call.floats("x"), call.out[0]!, grids, layout);
  },
};
