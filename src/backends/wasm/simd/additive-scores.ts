/** Compiled scores of additive attention. */
import { clipGradients } from "../../../core/clip-sums.ts";
import type { ZeroClipRule } from "../../../core/quantize.ts";
import { scoresSizeOf, tangentGridOf } from "../../loops/additive-scores-kernels.ts";
import { GRID_BYTES, LANES_BYTES, writePlaceGrids } from "../place-grids.ts";
import type { SimdKernel } from "../simd-call.ts";

export const additiveScores: SimdKernel = (call) => {
  const { batch, time, sourceTime, units } = scoresSizeOf(call);
  const grid = call.scratch(GRID_BYTES);
  writePlaceGrids(call, grid, [tangentGridOf(call)]);
  const inputs = ["queries", "keys", "bias", "weights"].map((name) => call.address(name));
  call.simd.additiveScores(
    ...[...inputs, call.out[0]!, grid, 0, batch * time, time, sourceTime, units],
  );
  return true;
};

export const additiveScoresGrad: SimdKernel = (call) => {
  const { batch, time, sourceTime, units } = scoresSizeOf(call);
  const place = tangentGridOf(call);
  const gridBytes = GRID_BYTES + batch * LANES_BYTES;
  const grid = call.scratch(gridBytes + 4 * batch * units);
  const shares = grid + gridBytes;
  writePlaceGrids(call, grid, [place], { compat: call.attributes["compat"] as ZeroClipRule });
  const names = ["dscores", "queries", "keys", "bias", "weights"];
  const [dqueries, dkeys, dbias, dweights, dclip] = call.out as [
    ...[number, number, number, number],
    ...[number?],
  ];
  call.simd.additiveScoresGrad(
    ...[...names.map((name) => call.address(name)), dqueries, dkeys, shares, grid],
    ...[0, batch, time, sourceTime, units],
  );
  call.simd.columnSum(dqueries, dbias, batch * time, units);
  call.simd.columnSum(shares, dweights, batch, units);
  if (dclip !== undefined) {
    const lanes = call.doublesAt(grid + GRID_BYTES, (batch * LANES_BYTES) / 8);
    call.floatsAt(dclip, 1).set(clipGradients(lanes, [place]));
  }
  return true;
};
