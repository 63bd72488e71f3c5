/** Fake quantization: the arithmetic of `core/affine.ts` as operations. */
import { qtypeOf, SMALLEST_CLIP, type QuantKind, type Rounding } from "../../../core/qtype.ts";
import { boolAttribute, intAttribute } from "../binding.ts";
import type { NativeCall, NativeKernel } from "../native-kernel.ts";
import type { Ops } from "../ops.ts";
import type { Value } from "../op-run.ts";

/** The grid of each channel, shaped to broadcast against x. */
export interface Grid {
  readonly qmin: number;
  readonly qmax: number;
  readonly rounding: Rounding;
  /** What x is divided by: never 0. */
  readonly divisor: Value;
  /** What a code is multiplied by: 0 where the clip counts as zero, else the divisor. */
  readonly step: Value;
  /** Where the clip counts as zero; null for the softmax kind, which has none. */
  readonly isZero: Value | null;
}

/** x, clip? → values. */
export const fakeQuantKernel: NativeKernel = {
  name: "QatFakeQuant",
  run(call) {
    const x = call.input("x");
    return [fakeQuantized(call.ops, x, gridOf(call, x))];
  },
};

/** x, clip? → codes. */
export const fakeQuantCodesKernel: NativeKernel = {
  name: "QatFakeQuantCodes",
  run(call) {
    const { ops } = call;
    const x = call.input("x");
    const grid = gridOf(call, x);
    return [integerCodes(ops, x, grid)];
  },
};

/** dy, x, clip? → dx, and dclip where there is a clip. */
export const fakeQuantGradKernel: NativeKernel = {
  name: "QatFakeQuantGrad",
  run(call) {
    const { ops } = call;
    const [x, dy, clip] = [call.input("x"), call.input("dy"), call.optional("clip")];
    const { qmin, qmax, step, isZero } = gridOf(call, x);
    const reaches = ops.greaterEqual(x, qmin === 0 ? 0 : ops.mul(step, qmin));
    const fits = ops.lessEqual(x, ops.mul(step, qmax));
    const keepsAll = call.attributes.compat === "neurst" && isZero !== null;
    const within = ops.and(reaches, fits);
    const zeros = ops.zerosLike(dy);
    const dx = ops.selectSame(keepsAll ? ops.or(within, isZero) : within, dy, zeros);
    if (clip === null) return [dx];
    const above = ops.selectSame(fits, zeros, dy);
    const below = qmin === 0 ? zeros : ops.mul(dy, qmin / qmax);
    let dclip = sumToClip(call, ops.selectSame(reaches, above, below), clip);
    if (keepsAll) dclip = ops.select(ops.reshape(isZero, clip.shape), 0, dclip);
    return [dx, dclip];
  },
};

function gridOf(call: NativeCall, x: Value): Grid {
  const { ops, attributes } = call;
  const { kind, bits, rounding, axis } = attributes as {
    kind: QuantKind;
    bits: number;
    rounding: Rounding;
    axis: number;
  };
  const { qmin, qmax } = qtypeOf(kind, bits);
  const given = call.optional("clip");
  if (given === null) {
    const step = ops.scalar(2 ** -bits);
    return { qmin, qmax, rounding, divisor: step, step, isZero: null };
  }
  const clip = toAxis(call, given, x.shape.length, axis);
  return gridOfClip(ops, clip, { qmin, qmax, rounding });
}

/** The grid that a clip spans. @param clip shaped to broadcast against what is quantized */
export function gridOfClip(
  ops: Ops,
  clip: Value,
  range: Pick<Grid, "qmin" | "qmax" | "rounding">,
): Grid {
  const isZero = ops.less(clip, SMALLEST_CLIP);
  const divisor = stepOf(ops, clip, isZero, range);
  return { ...range, divisor, step: ops.select(isZero, 0, divisor), isZero };
}

/** Values of x on a grid. */
export function fakeQuantized(ops: Ops, x: Value, grid: Grid): Value {
  return withoutMinusZero(ops, ops.mul(codesOf(ops, x, grid), grid.step));
}

/** Codes of x on a grid: 0 where the clip counts as zero. */
export function integerCodes(ops: Ops, x: Value, grid: Grid): Value {
  const codes = codesOf(ops, x, grid);
  if (grid.isZero === null) return withoutMinusZero(ops, codes);
  // A product keeps NaN, which a choice between codes and 0 would not.
  const live = ops.select(grid.isZero, 0, 1);
  return withoutMinusZero(ops, ops.mul(codes, live));
}

/**
 * One integer step for the range that a clip spans, see `gridOf` in core/affine.ts; any number but 0
 * where the clip counts as zero.
 *
 * TensorFlow and XLA turn a division by a constant into a product with its rounded reciprocal when
 * they compile a graph: another step, and other codes at ties. So no divisor here is a constant.
 */
function stepOf(
  ops: Ops,
  clip: Value,
  isZero: Value,
  { qmin, qmax, rounding }: Pick<Grid, "qmin" | "qmax" | "rounding">,
): Value {
  const safe = ops.select(isZero, 1, clip);
  const by = (divisor: number): Value => ops.select(isZero, 1, divisor);
  if (rounding === "half_even") return ops.div(safe, by(qmax));
  const range = qmin === 0 ? safe : ops.sub(safe, ops.div(ops.mul(safe, qmin), by(qmax)));
  return ops.div(range, by(qmax - qmin));
}

/** What a quantizer makes of dy: see {@link straightThrough}. */
export interface StraightThrough {
  readonly dx: Value;
  /** Σ dy where x is below the range, and where it is above it; scalars. */
  readonly below: Value;
  readonly above: Value;
}

/**
 * The gradient of fake quantization with one clip, in one operation instead of eight. TensorFlow makes
 * the range of a step of its own, which is the grid's to the bit but for one step in 2^bits (XLA: more
 * of them): there the ends lie an ulp aside.
 * @param grid of one signed clip, a scalar
 */
export function straightThrough(
  { ops, attributes }: NativeCall,
  dy: Value,
  x: Value,
  { grid, bits }: { grid: Grid; bits: number },
): StraightThrough {
  const { qmin, qmax, step, isZero } = grid;
  // A range of zeros would let everything pass, which only NeurST's rule asks for.
  const ofZero = attributes.compat === "neurst" ? WIDE_STEP : TINY_STEP;
  const nonZero = isZero === null ? step : ops.select(isZero, ofZero, step);
  const lowest = ops.mul(nonZero, qmin);
  // The difference of the two is what TensorFlow divides to get the step back.
  const highest = ops.add(ops.mul(nonZero, qmax - qmin), lowest);
  const operation = "FakeQuantWithMinMaxVarsGradient";
  const settings = [intAttribute("num_bits", bits), boolAttribute("narrow_range", false)];
  const results = ops.several(operation, settings, [dy, x, lowest, highest], 3);
  const [dx, below, above] = results as [Value, Value, Value];
  return { dx, below, above };
}

/** Steps in place of 0: of a range that holds 0 alone of all values in use, and of one that holds all. */
const [TINY_STEP, WIDE_STEP] = [2 ** -120, 2 ** 80];

/** Codes of x; where the clip counts as zero, any finite number. NaN stays. */
export function codesOf(ops: Ops, x: Value, grid: Grid): Value {
  const { qmin, qmax, rounding, divisor, step } = grid;
  if (rounding === "half_even") return ops.clip(ops.rint(ops.div(x, divisor)), qmin, qmax);
  const [lowest, highest] = [ops.mul(step, qmin), ops.mul(step, qmax)];
  const clamped = ops.minimum(ops.maximum(x, lowest), highest);
  const fromLowest = ops.div(ops.sub(clamped, lowest), divisor);
  return ops.floor(ops.add(ops.add(fromLowest, qmin), 0.5));
}

function withoutMinusZero(ops: Ops, x: Value): Value {
  return ops.add(x, 0);
}

function toAxis({ ops }: NativeCall, clip: Value, rank: number, axis: number): Value {
  // A vector lies along the last axis by itself.
  if (axis < 0 || clip.shape.length === 0 || axis === rank - 1) return clip;
  const shape = new Array<number>(rank).fill(1);
  shape[axis] = clip.shape[0]!;
  return ops.reshape(clip, shape);
}

/** Sums over every axis but the clip's. */
function sumToClip({ ops, attributes }: NativeCall, values: Value, clip: Value): Value {
  const axis = clip.shape.length === 0 ? -1 : (attributes.axis as number);
  const others = values.shape.map((_, i) => i).filter((i) => i !== axis);
  return ops.reshape(ops.sum(values, others), clip.shape);
}
