/** Compiled fake quantization. */
import type { Grid } from "../../../core/affine.ts";
import type { ChannelLayout } from "../../../core/quantize.ts";
import { affineGridsOf } from "../../loops/affine-quant-kernels.ts";
import { gridsOf } from "../../loops/fake-quant-kernels.ts";
import type { SimdCall, SimdKernel } from "../simd-call.ts";

export const fakeQuant: SimdKernel = (call) => quantize(call, gridsOf(call), scaleOf);
export const fakeQuantCodes: SimdKernel = (call) => quantize(call, gridsOf(call), one);
export const affineQuant: SimdKernel = (call) => quantize(call, affineGridsOf(call), scaleOf);
export const affineQuantCodes: SimdKernel = (call) => quantize(call, affineGridsOf(call), one);

const scaleOf = (grid: Grid): number => grid.scale;
const one = (): number => 1;

/** @param step what a code is multiplied by */
function quantize(
  call: SimdCall,
  { grids, layout }: { readonly grids: readonly Grid[]; readonly layout: ChannelLayout },
  step: (grid: Grid) => number,
): true {
  const { outer, channels, inner } = layout;
  const address = writeGrids(call, grids, [
    (grid) => grid.scale,
    step,
    (grid) => (grid.isZero ? 0 : grid.qmin),
    (grid) => (grid.isZero ? 0 : grid.qmax),
    (grid) => grid.lowest,
    (grid) => grid.highest,
  ]);
  const roundsUp = grids[0]?.rounding === "half_up" ? 1 : 0;
  call.simd.fakeQuant(
    ...[call.address("x"), call.out[0]!, 0, outer * channels, channels, inner, address, roundsUp],
  );
  return true;
}

export const fakeQuantGrad: SimdKernel = (call) => {
  const { grids, layout } = gridsOf(call);
  // TensorFlow's rule for a clip at zero is rare enough for the loops.
  if (call.attributes["compat"] === "neurst" && grids.some((grid) => grid.isZero)) return false;
  const { outer, channels, inner } = layout;
  const grid = grids[0];
  const ratio = grid === undefined ? 0 : grid.qmin / grid.qmax;
  const sums = call.scratch(channelBytes(layout));
  const ranges = sums + 8 * channels;
  const view = call.floatsAt(ranges, 2 * channels);
  grids.forEach(({ lowest, highest }, c) => {
    view[c] = lowest;
    view[channels + c] = highest;
  });
  const [dx, dclip] = call.out as [number, number | undefined];
  call.simd.fakeQuantGrad(
    ...[call.address("dy"), call.address("x"), dx, outer, channels, inner, ranges, ratio, sums],
  );
  if (dclip !== undefined) {
    call.floatsAt(dclip, channels).set(call.doublesAt(sums, channels));
  }
  return true;
};

/** A float64 sum and two float32 ends of each channel. */
function channelBytes({ channels }: ChannelLayout): number {
  return 16 * channels;
}

/** Writes the grids as one array for each property; returns the address of the first. */
function writeGrids(
  call: SimdCall,
  grids: readonly Grid[],
  properties: readonly ((grid: Grid) => number)[],
): number {
  const channels = grids.length;
  const address = call.scratch(4 * channels * properties.length);
  const view = call.floatsAt(address, channels * properties.length);
  properties.forEach((property, i) => {
    for (let c = 0; c < channels; c++) view[i * channels + c] = property(grids[c]!);
  });
  return address;
}
