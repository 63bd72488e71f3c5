/**
 * Quantization of whole arrays: `affine.ts` over every element, per tensor or per channel. These
 * loops also run as backend kernels over views of wasm memory, so nothing is allocated per element.
 * Input and output may be the same array.
 */
import { HALF_EVEN_SHIFT as SHIFT, type Grid } from "./affine.ts";
import { DoubleLanes } from "./lane-sum.ts";
import { ShapeError } from "../errors.ts";

/** An array of integer codes; Float32Array holds them as whole numbers for exact float products. */
export type CodeArray =
  Int8Array | Uint8Array | Int16Array | Uint16Array | Int32Array | Float32Array;

/**
 * Where the channels of a row-major array lie: element (o, c, i) is at (o·channels + c)·inner + i.
 * One grid serves one channel. Per tensor: {outer: 1, channels: 1, inner: size}.
 */
export interface ChannelLayout {
  readonly outer: number;
  readonly channels: number;
  readonly inner: number;
}

/**
 * The layout of a shape whose channels lie along `axis`.
 * @param axis null: one channel for the whole tensor; negative counts from the end
 * @throws {ShapeError} if the shape has no such axis
 */
export function channelLayout(shape: readonly number[], axis: number | null): ChannelLayout {
  const size = (from: number, to: number) => shape.slice(from, to).reduce((a, b) => a * b, 1);
  if (axis === null) return { outer: 1, channels: 1, inner: size(0, shape.length) };
  const at = axis < 0 ? axis + shape.length : axis;
  const channels = shape[at];
  if (channels === undefined) {
    throw new ShapeError(
      `channel axis: expected an axis of [${shape.join(", ")}], received ${axis}. ` +
        `Use 0 to ${shape.length - 1}, or null for one scale.`,
    );
  }
  return { outer: size(0, at), channels, inner: size(at + 1, shape.length) };
}

/**
 * Codes of `x`: clamp(round(fround(x/scale)), qmin, qmax). NaN becomes NaN in a Float32Array and 0 in
 * an integer array: callers that make integers check with {@link firstNonFinite} first.
 * @param out receives the codes; same length as x, wide enough for the grid
 * @returns out
 */
export function quantizeArray<T extends CodeArray>(
  x: Float32Array,
  out: T,
  grids: readonly Grid[],
  layout: ChannelLayout,
): T {
  checkLayout("quantizeArray", x.length, out.length, grids, layout);
  const floats = out instanceof Float32Array ? out : new Float32Array(x.length);
  roundArray(x, floats, { grids, layout, dequantize: false });
  if (floats !== out) out.set(floats);
  return out;
}

/**
 * Values of codes: fround(code · scale).
 * @returns out
 */
export function dequantizeArray(
  codes: CodeArray,
  out: Float32Array,
  grids: readonly Grid[],
  layout: ChannelLayout,
): Float32Array {
  checkLayout("dequantizeArray", codes.length, out.length, grids, layout);
  const { channels, inner } = layout;
  const scales = Float32Array.from(grids, (grid) => grid.scale);
  for (let start = 0, c = 0; start < codes.length; start += inner) {
    const scale = scales[c]!;
    const end = start + inner;
    for (let i = start; i < end; i++) out[i] = codes[i]! * scale;
    if (++c === channels) c = 0;
  }
  return out;
}

/**
 * Values of `x` rounded to their grid: fround(code(x) · scale). NaN stays NaN, ±Infinity saturates.
 * @returns out
 */
export function fakeQuantArray(
  x: Float32Array,
  out: Float32Array,
  grids: readonly Grid[],
  layout: ChannelLayout,
): Float32Array {
  checkLayout("fakeQuantArray", x.length, out.length, grids, layout);
  roundArray(x, out, { grids, layout, dequantize: true });
  return out;
}

interface Job {
  readonly grids: readonly Grid[];
  readonly layout: ChannelLayout;
  /** True writes values, false codes. */
  readonly dequantize: boolean;
}

function roundArray(x: Float32Array, out: Float32Array, job: Job): void {
  const { outer, channels, inner } = job.layout;
  if (inner === 1 && channels > 1 && job.grids.every(isPlainHalfEven)) {
    roundRowsHalfEven(x, out, job);
    return;
  }
  for (let o = 0; o < outer; o++) {
    for (let c = 0; c < channels; c++) {
      const start = (o * channels + c) * inner;
      roundRun(x, out, {
        grid: job.grids[c]!,
        dequantize: job.dequantize,
        start,
        end: start + inner,
      });
    }
  }
}

interface Run {
  readonly grid: Grid;
  readonly dequantize: boolean;
  readonly start: number;
  readonly end: number;
}

/** One channel's contiguous elements. */
function roundRun(x: Float32Array, out: Float32Array, run: Run): void {
  const { grid, start, end } = run;
  if (grid.isZero) {
    for (let i = start; i < end; i++) out[i] = Number.isNaN(x[i]!) ? NaN : 0;
  } else if (grid.rounding === "half_even") {
    roundRunHalfEven(x, out, run);
  } else {
    roundRunHalfUp(x, out, run);
  }
}

function roundRunHalfEven(x: Float32Array, out: Float32Array, run: Run): void {
  const { start, end } = run;
  const { scale, qmin, qmax } = run.grid;
  const step = run.dequantize ? scale : 1;
  const shift = SHIFT; // some module loaders look an import up at every use
  for (let i = start; i < end; i++) {
    const q = Math.fround(x[i]! / scale) + shift - shift;
    out[i] = (q < qmin ? qmin : q > qmax ? qmax : q) * step;
  }
}

function roundRunHalfUp(x: Float32Array, out: Float32Array, run: Run): void {
  const f = Math.fround;
  const { start, end } = run;
  const { scale, qmin, lowest, highest } = run.grid;
  const step = run.dequantize ? scale : 1;
  for (let i = start; i < end; i++) {
    const v = x[i]!;
    const clamped = v < lowest ? lowest : v > highest ? highest : v;
    out[i] = Math.floor(f(f(f(f(clamped - lowest) / scale) + qmin) + 0.5)) * step;
  }
}

const isPlainHalfEven = (grid: Grid) => !grid.isZero && grid.rounding === "half_even";

/** Channels along the last axis: the grid changes with every element, so scales lie in an array. */
function roundRowsHalfEven(x: Float32Array, out: Float32Array, job: Job): void {
  const { outer, channels } = job.layout;
  const scales = Float32Array.from(job.grids, (grid) => grid.scale);
  const steps = job.dequantize ? scales : new Float32Array(channels).fill(1);
  const qmins = Float32Array.from(job.grids, (grid) => grid.qmin);
  const qmaxs = Float32Array.from(job.grids, (grid) => grid.qmax);
  const shift = SHIFT;
  for (let o = 0, i = 0; o < outer; o++) {
    for (let c = 0; c < channels; c++, i++) {
      const q = Math.fround(x[i]! / scales[c]!) + shift - shift;
      const qmin = qmins[c]!;
      const qmax = qmaxs[c]!;
      out[i] = (q < qmin ? qmin : q > qmax ? qmax : q) * steps[c]!;
    }
  }
}

/** How {@link fakeQuantGradient} treats a clip at or below zero. */
export type ZeroClipRule = "none" | "neurst";

/**
 * Gradient of fake quantization, straight through: dx = g where lowest ≤ x ≤ highest (both ends in),
 * else 0; d clip = Σ_{x>highest} g + (qmin/qmax)·Σ_{x<lowest} g, that is with factor −t/(t−1) for
 * weight and act and without the lower sum for relu. Sums of a run of elements are made in four float64 lanes
 * (`lane-sum.ts`), those of its runs are added in order, and the result is rounded once.
 *
 * A clip at or below zero: with `none` the same formulas hold with lowest = highest = 0, so the clip
 * receives the gradient that would raise it; with `neurst` dx = g and d clip = 0, as in TensorFlow.
 *
 * @param dx receives the gradient of x; may be `g`
 * @returns d clip, one float32 for each channel; meaningless for softmax, whose clip is constant
 */
export function fakeQuantGradient(
  x: Float32Array,
  g: Float32Array,
  dx: Float32Array,
  grids: readonly Grid[],
  options: { readonly layout: ChannelLayout; readonly compat: ZeroClipRule },
): Float32Array {
  const { layout, compat } = options;
  checkLayout("fakeQuantGradient", x.length, dx.length, grids, layout);
  const { outer, channels, inner } = layout;
  const sums = new Float64Array(channels);
  for (let o = 0; o < outer; o++) {
    for (let c = 0; c < channels; c++) {
      const start = (o * channels + c) * inner;
      const grid = grids[c]!;
      if (grid.isZero && compat === "neurst") dx.set(g.subarray(start, start + inner), start);
      else sums[c]! += gradientRun(x, g, dx, { grid, start, end: start + inner });
    }
  }
  return Float32Array.from(sums);
}

/** Writes dx of one run and returns its share of d clip. */
function gradientRun(
  x: Float32Array,
  g: Float32Array,
  dx: Float32Array,
  run: Omit<Run, "dequantize">,
): number {
  const { grid, start, end } = run;
  const { lowest, highest } = grid;
  const above = new DoubleLanes();
  const below = new DoubleLanes();
  for (let i = start; i < end; i++) {
    const v = x[i]!;
    const d = g[i]!;
    if (v > highest) {
      above.add(i - start, d);
      dx[i] = 0;
    } else if (v < lowest) {
      below.add(i - start, d);
      dx[i] = 0;
    } else {
      // Neither where x or the clip is NaN.
      dx[i] = v >= lowest && v <= highest ? d : 0;
    }
  }
  return grid.qmin === 0 ? above.sum : above.sum + (grid.qmin / grid.qmax) * below.sum;
}

/** Index of the first NaN or ±Infinity, or −1. */
export function firstNonFinite(x: Float32Array): number {
  for (let i = 0; i < x.length; i++) if (!Number.isFinite(x[i]!)) return i;
  return -1;
}

/** Largest absolute value; 0 for an empty array; NaN if any element is NaN. */
export function maxAbs(x: ArrayLike<number>): number {
  let most = 0;
  for (let i = 0; i < x.length; i++) {
    const v = Math.abs(x[i]!);
    if (!(v <= most)) most = v;
    if (v !== v) return NaN;
  }
  return most;
}

function checkLayout(
  where: string,
  length: number,
  outLength: number,
  grids: readonly Grid[],
  layout: ChannelLayout,
): void {
  const { outer, channels, inner } = layout;
  if (outer * channels * inner === length && outLength === length && grids.length === channels) {
    return;
  }
  throw new ShapeError(
    `${where}: expected input and output of ${outer}·${channels}·${inner} elements and ` +
      `${channels} grids, received ${length}, ${outLength} and ${grids.length}. ` +
      `Take the layout from the tensor's shape with channelLayout.`,
  );
}
