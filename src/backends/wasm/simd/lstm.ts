/** Compiled LSTMs. */
import { clipGradients } from "../../../core/clip-sums.ts";
import { LSTM_PLACE, type LstmGridList } from "../../../core/lstm.ts";
import type { ZeroClipRule } from "../../../core/quantize.ts";
import { affineLstmGridsOf, lstmGridsOf, lstmSizeOf } from "../../loops/lstm-kernels.ts";
import { GRID_BYTES, LANES_BYTES, writePlaceGrids } from "../place-grids.ts";
import type { SimdCall, SimdKernel } from "../simd-call.ts";

const PLACES = 6;
const GRIDS_BYTES = PLACES * GRID_BYTES;
/** Of a register tile. */
const TILE_BYTES = 160;

export const lstmCell: SimdKernel = (call) => runCell(call, lstmGridsOf(call));
export const affineLstmCell: SimdKernel = (call) => runCell(call, affineLstmGridsOf(call));

function runCell(call: SimdCall, places: LstmGridList): true {
  const [rows, width] = call.shape("sums") as [number, number];
  const grids = call.scratch(GRIDS_BYTES);
  writePlaceGrids(call, grids, places, { codesAt: LSTM_PLACE.hidden });
  const cell = call.has("cell") ? call.address("cell") : 0;
  call.simd.lstmCell(
    ...[call.address("sums"), cell, call.out[0]!, call.out[1]!, grids, 0, rows, width / 4],
  );
  return true;
}

export const lstmSequence: SimdKernel = (call) => {
  const { time, batch, units } = lstmSizeOf(call, "gates", 4);
  const packedBytes = call.simd.packedBytes(4 * units, units);
  const [grids, packed, tile] = divided(call, [GRIDS_BYTES, packedBytes, TILE_BYTES]);
  writePlaceGrids(call, grids!, lstmGridsOf(call));
  call.simd.packRight(call.address("kernel"), packed!, 4 * units, units, 0);
  const [hidden, cell] = call.has("hidden")
    ? [call.address("hidden"), call.address("cell")]
    : [0, 0];
  call.simd.lstmSequence(
    ...[call.address("gates"), packed!, call.address("bias"), hidden, cell, ...call.out, grids!],
    ...[time, batch, units, 0, batch, tile!],
  );
  return true;
};

export const lstmSequenceGrad: SimdKernel = (call) => {
  const { time, batch, units } = lstmSizeOf(call, "dhidden", 1);
  const isStarted = call.has("hidden");
  const places = lstmGridsOf(call);
  const gridBytes = GRIDS_BYTES + batch * PLACES * LANES_BYTES;
  const stateBytes = 4 * batch * units;
  const [grids, packed, carried, dcell, before, tile, scratch] = divided(call, [
    ...[gridBytes, call.simd.packedBytes(units, 4 * units), stateBytes, stateBytes],
    ...[isStarted ? time * stateBytes : 0, TILE_BYTES, call.simd.gemmScratchBytes()],
  ]) as [number, number, number, number, number, number, number];
  writePlaceGrids(call, grids, places, { compat: call.attributes["compat"] as ZeroClipRule });
  call.simd.packRight(call.address("kernel"), packed, units, 4 * units, 1);
  const [dgates, dkernel, dbias, dclips, dhidden = carried, dfirst = dcell] = call.out as [
    ...[number, number, number, number],
    ...[number?, number?],
  ];
  const optional = (name: string) => (call.has(name) ? call.address(name) : 0);
  call.simd.lstmSequenceGrad(
    ...[call.address("dhidden"), optional("dcells"), packed, optional("cell")],
    ...[call.address("kept1"), call.address("kept2"), dgates, dhidden, dfirst, grids],
    ...[time, batch, units, 0, batch, tile],
  );
  const lanes = call.doublesAt(grids + GRIDS_BYTES, (batch * PLACES * LANES_BYTES) / 8);
  call.floatsAt(dclips, PLACES).set(clipGradients(lanes, places));
  const skipped = isStarted ? 0 : 4 * stateBytes;
  const states = isStarted ? shiftedStates(call, before) : call.address("kept0");
  const rows = Math.max(isStarted ? time : time - 1, 0) * batch;
  call.simd.gemm(
    ...[states, dgates + skipped, dkernel, units, 4 * units, rows, 1, 0, 1, 0, 0, 0, 0, scratch],
  );
  call.simd.columnSum(dgates, dbias, time * batch, 4 * units);
  return true;
};

/** Writes the hidden states before each step, where there is one before the first. */
function shiftedStates(call: SimdCall, address: number): number {
  const first = call.floats("hidden");
  const states = call.floats("kept0");
  const before = call.floatsAt(address, states.length);
  before.set(first);
  before.set(states.subarray(0, states.length - first.length), first.length);
  return address;
}

/** Addresses of several pieces of scratch memory. */
function divided(call: SimdCall, sizes: readonly number[]): number[] {
  const rounded = sizes.map((size) => (size + 15) & ~15);
  let at = call.scratch(rounded.reduce((a, b) => a + b, 0));
  return rounded.map((size) => (at += size) - size);
}
