/** How the values of a tensor lie in samples and rows, of which positions tell what is padding. */
import { sizeOf } from "../core/shape.ts";
import { ShapeError } from "../errors.ts";
import type { Positions } from "./pass.ts";

/** A tensor's values as `ops/observe.ts` takes them. */
export interface RealRows {
  readonly samples: number;
  /** Samples of which something is real. */
  readonly realSamples: number;
  /** Values that are real. */
  readonly count: number;
  /** float32 [rows], 0 on padding; null: all real. */
  readonly mask: Float32Array | null;
}

const hostMasks = new WeakMap<Positions, Float32Array>();
const known = new WeakMap<Positions, Map<string, RealRows>>();

/**
 * The rows of a tensor of a shape. Where each sample is a single value, all are one sample, as in
 * IntelLabs/distiller.
 * @param where names the tensor in messages
 * @throws {ShapeError} for positions that do not fit the shape. Waits for the backend, once for each
 *   positions.
 */
export function realRows(
  shape: readonly number[],
  positions: Positions | null,
  where: string,
): RealRows {
  if (positions === null) return allReal(shape, shape[0] ?? 1);
  const key = shape.join();
  let ofShape = known.get(positions);
  if (ofShape === undefined) known.set(positions, (ofShape = new Map<string, RealRows>()));
  let rows = ofShape.get(key);
  if (rows === undefined) ofShape.set(key, (rows = rowsOf(shape, positions, where)));
  return rows;
}

function rowsOf(shape: readonly number[], positions: Positions, where: string): RealRows {
  const { mask, sampleAxes } = positions;
  let values = hostMasks.get(positions);
  if (values === undefined) {
    values = Float32Array.from(mask.dataSync());
    hostMasks.set(positions, values);
  }
  const axes = axesOf(shape, mask.shape, where);
  if (values.every((value) => value !== 0)) {
    const leading = axes.flat
      ? [sizeOf(mask.shape.slice(0, sampleAxes))]
      : shape.slice(0, sampleAxes);
    return allReal(shape, sizeOf(leading));
  }
  const rowShape = axes.flat ? mask.shape : shape.slice(0, mask.rank);
  return maskedRows(shape, rowShape, sampleAxes, { values, shape: mask.shape });
}

function allReal(shape: readonly number[], samples: number): RealRows {
  const count = sizeOf(shape);
  const own = count === samples ? 1 : samples;
  return { samples: own, realSamples: own, count, mask: null };
}

/** Whether the mask's axes are the tensor's first ones, or its first one alone. */
function axesOf(
  shape: readonly number[],
  mask: readonly number[],
  where: string,
): { readonly flat: boolean } {
  const fits = (d: number, axis: number): boolean =>
    d === 1 || shape[axis] === 1 || d === shape[axis];
  if (shape.length >= mask.length && mask.every(fits)) return { flat: false };
  if (shape[0] === sizeOf(mask)) return { flat: true };
  throw new ShapeError(
    `${where}: expected a tensor that positions [${mask.join(", ")}] fit, received ` +
      `[${shape.join(", ")}]. Give the layer's pass the positions of its tensors.`,
  );
}

function maskedRows(
  shape: readonly number[],
  rowShape: readonly number[],
  sampleAxes: number,
  mask: { readonly values: Float32Array; readonly shape: readonly number[] },
): RealRows {
  const rows = sizeOf(rowShape);
  const width = sizeOf(shape) / rows;
  const expanded = new Float32Array(rows);
  const strides = rowShape.map((_, axis) => sizeOf(rowShape.slice(axis + 1)));
  const ofMask = mask.shape.map((_, axis) => sizeOf(mask.shape.slice(axis + 1)));
  // Each position of the mask or of the rows: where one has several for one of the other, any counts.
  const all = rowShape.map((d, axis) => Math.max(d, mask.shape[axis]!));
  for (let i = 0; i < sizeOf(all); i++) {
    let [rest, row, place] = [i, 0, 0];
    for (let axis = all.length - 1; axis >= 0; axis--) {
      const at = rest % all[axis]!;
      rest = (rest - at) / all[axis]!;
      if (rowShape[axis]! > 1) row += at * strides[axis]!;
      if (mask.shape[axis]! > 1) place += at * ofMask[axis]!;
    }
    if (mask.values[place] !== 0) expanded[row] = 1;
  }
  let samples = sizeOf(rowShape.slice(0, sampleAxes));
  const real = expanded.reduce((sum, value) => sum + value, 0);
  if (samples === sizeOf(shape)) samples = 1;
  return {
    samples,
    realSamples: realSamples(expanded, samples),
    count: real * width,
    mask: expanded,
  };
}

function realSamples(mask: Float32Array, samples: number): number {
  const perSample = mask.length / samples;
  let count = 0;
  for (let i = 0; i < samples; i++) {
    if (mask.subarray(i * perSample, (i + 1) * perSample).includes(1)) count++;
  }
  return count;
}
