/** Fake quantization as kernels: `core/quantize.ts` over a backend's memory. */
import { gridOf, type Grid } from "../../core/affine.ts";
import type { QuantKind, Rounding } from "../../core/qtype.ts";
import {
  channelLayout,
  fakeQuantArray,
  fakeQuantGradient,
  quantizeArray,
  type ChannelLayout,
} from "../../core/quantize.ts";
import type { KernelCall, LoopKernel } from "../loop-kernel.ts";

/** What of a call describes grids. */
type GridCall = Pick<KernelCall, "floats" | "has" | "shape" | "attributes">;

/** The grids that a call's clip and attributes describe. */
export function gridsOf(call: GridCall): { grids: Grid[]; layout: ChannelLayout } {
  const kind = call.attributes.kind as QuantKind;
  const rounding = call.attributes.rounding as Rounding;
  const bits = call.attributes.bits as number;
  const axis = call.attributes.axis as number;
  const isPerTensor = axis < 0 || !call.has("clip") || call.shape("clip").length === 0;
  const layout = channelLayout(call.shape("x"), isPerTensor ? null : axis);
  const clips: ArrayLike<number> = call.has("clip") ? call.floats("clip") : [1];
  return { grids: Array.from(clips, (clip) => gridOf(kind, bits, clip, rounding)), layout };
}

/** x, clip? → values. */
export const fakeQuantKernel: LoopKernel = {
  name: "QatFakeQuant",
  outputShapes: ({ x }) => [x!],
  run(call) {
    const { grids, layout } = gridsOf(call);
    fakeQuantArray(call.floats("x"), call.out[0]!, grids, layout);
  },
};

/** x, clip? → codes. */
export const fakeQuantCodesKernel: LoopKernel = {
  name: "QatFakeQuantCodes",
  outputShapes: ({ x }) => [x!],
  run(call) {
    const { grids, layout } = gridsOf(call);
    quantizeArray(call.floats("x"), call.out[0]!, grids, layout);
  },
};

/** dy, x, clip? → dx, and dclip where there is a clip. */
export const fakeQuantGradKernel: LoopKernel = {
  name: "QatFakeQuantGrad",
  outputShapes: ({ x, clip }) => (clip === undefined ? [x!] : [x!, clip]),
  run(call) {
    const { grids, layout } = gridsOf(call);
    const compat = call.attributes.compat as "none" | "neurst";
    const [dx, dclip] = call.out;
    const sums = fakeQuantGradient(call.floats("x"), call.floats("dy"), dx!, grids, {
      layout,
      compat,
    });
    dclip?.set(sums);
  },
};
