/**
 * Fake quantization: float32 values are rounded onto the grid of a clip and stay float32. The
 * arithmetic is defined by `core/affine.ts`; every backend gives the same integer codes.
 */
import * as tf from "@tensorflow/tfjs";
import { qtypeOf, SMALLEST_CLIP, type QuantKind, type Rounding } from "../core/qtype.ts";
import { runKernel, withGradient, type KernelAttributes } from "./kernel.ts";

/** How a tensor is quantized. */
export interface FakeQuantSpec {
  readonly kind: QuantKind;
  /** 2 to 16. */
  readonly bits: number;
  /** Channel axis, the first (0) or the last; null for one clip. */
  readonly axis: number | null;
  readonly rounding: Rounding;
  /**
   * What a clip that counts as zero does in the backward pass. `none`: it receives the gradient
   * that would raise it, x receives none outside its (empty) range. `neurst`: TensorFlow's rule, x
   * receives the whole gradient and the clip none.
   */
  readonly compat: "none" | "neurst";
}

/**
 * y = code·scale for every element of x.
 *
 * Gradient, straight through: dx = dy where lowest ≤ x ≤ highest (the ends of the grid's range),
 * else 0; dclip = Σ dy over x > highest, and for the signed kinds − t/(t−1)·Σ dy over x < lowest,
 * with t = 2^(bits−1), for each channel.
 *
 * @param x float32, any shape
 * @param clip float32, scalar or [channels along spec.axis]; null for the softmax kind
 * @returns float32 of the shape of x; the caller disposes it
 */
export function fakeQuant(x: tf.Tensor, clip: tf.Tensor | null, spec: FakeQuantSpec): tf.Tensor {
  const inputs = clip === null ? [x] : [x, clip];
  return withGradient(
    inputs,
    (save) => {
      save(inputs);
      return runKernel("QatFakeQuant", namedInputs(x, clip), attributesOf(spec), () => {
        const grid = gridTensors(x.rank, clip, spec);
        return [tf.mul(codesOf(x, grid, spec), grid.scale)];
      })[0]!;
    },
    (dy, [savedX, savedClip]) => fakeQuantGradient(dy, savedX!, savedClip ?? null, spec),
  );
}

/**
 * The integer codes of x, as float32 (−t … t−1, or 0 … 2^bits−1). Not differentiable.
 *
 * @param clip as for {@link fakeQuant}
 * @returns float32 of the shape of x; the caller disposes it
 */
export function fakeQuantCodes(
  x: tf.Tensor,
  clip: tf.Tensor | null,
  spec: FakeQuantSpec,
): tf.Tensor {
  return runKernel("QatFakeQuantCodes", namedInputs(x, clip), attributesOf(spec), () => [
    codesOf(x, gridTensors(x.rank, clip, spec), spec),
  ])[0]!;
}

/**
 * Real size of one integer step: 1 where the clip counts as zero. Not differentiable.
 *
 * @param clip as for {@link fakeQuant}
 * @returns float32 of the shape of the clip, a scalar for the softmax kind; the caller disposes it
 */
export function gridScale(clip: tf.Tensor | null, spec: FakeQuantSpec): tf.Tensor {
  return tf.tidy(() => {
    const shape = clip === null ? [] : clip.shape;
    return tf.reshape(gridTensors(clip?.rank ?? 0, clip, { ...spec, axis: null }).scale, shape);
  });
}

function fakeQuantGradient(
  dy: tf.Tensor,
  x: tf.Tensor,
  clip: tf.Tensor | null,
  spec: FakeQuantSpec,
): tf.Tensor[] {
  const inputs = { dy, ...namedInputs(x, clip) };
  return runKernel("QatFakeQuantGrad", inputs, attributesOf(spec), () => {
    const { lowest, highest, isZero } = gridTensors(x.rank, clip, spec);
    const below = tf.less(x, lowest);
    const above = tf.greater(x, highest);
    const within = tf.logicalAnd(tf.greaterEqual(x, lowest), tf.lessEqual(x, highest));
    const keepsAll = spec.compat === "neurst";
    const zero = tf.zerosLike(dy);
    const passes = keepsAll ? tf.logicalOr(within, isZero) : within;
    const dx = tf.where(passes, dy, zero);
    if (clip === null) return [dx];
    const half = 2 ** (spec.bits - 1);
    const ratio = isSigned(spec.kind) ? -half / (half - 1) : 0;
    let dclip = tf.add(tf.where(above, dy, zero), tf.where(below, tf.mul(dy, ratio), zero));
    if (keepsAll) dclip = tf.where(isZero, zero, dclip);
    return [dx, sumToClip(dclip, clip, spec.axis)];
  });
}

/** Sums over every axis but the clip's, so that the result has the clip's shape. */
function sumToClip(values: tf.Tensor, clip: tf.Tensor, axis: number | null): tf.Tensor {
  if (clip.rank === 0 || axis === null) return tf.reshape(tf.sum(values), clip.shape);
  const others = values.shape.map((_, i) => i).filter((i) => i !== axis);
  return tf.reshape(others.length === 0 ? values : tf.sum(values, others), clip.shape);
}

/** The grid of each channel, shaped to broadcast against a tensor of the given rank. */
interface GridTensors {
  readonly scale: tf.Tensor;
  readonly lowest: tf.Tensor;
  readonly highest: tf.Tensor;
  /** Where the clip counts as zero. */
  readonly isZero: tf.Tensor;
}

function gridTensors(rank: number, clip: tf.Tensor | null, spec: FakeQuantSpec): GridTensors {
  const { qmin, qmax } = qtypeOf(spec.kind, spec.bits);
  const c = clip === null ? tf.scalar(1) : toAxis(clip, rank, spec.axis);
  const isZero = tf.less(c, SMALLEST_CLIP);
  const safe = tf.where(isZero, tf.onesLike(c), c);
  const step = clip === null ? tf.scalar(2 ** -spec.bits) : stepOf(safe, isZero, spec);
  const zero = tf.zerosLike(c);
  return {
    scale: tf.where(isZero, tf.onesLike(c), step),
    lowest: tf.where(isZero, zero, tf.mul(step, qmin)),
    highest: tf.where(isZero, zero, tf.mul(step, qmax)),
    isZero,
  };
}

/**
 * One integer step for the range that a clip spans; see `gridOf` in core/affine.ts. No divisor is a
 * constant: compilers of graphs would multiply by its rounded reciprocal.
 */
function stepOf(clip: tf.Tensor, isZero: tf.Tensor, spec: FakeQuantSpec): tf.Tensor {
  const { qmin, qmax } = qtypeOf(spec.kind, spec.bits);
  const by = (divisor: number): tf.Tensor =>
    tf.where(isZero, tf.onesLike(clip), tf.fill(clip.shape, divisor));
  if (spec.rounding === "half_even") return tf.div(clip, by(qmax));
  const min = tf.div(tf.mul(clip, qmin), by(qmax));
  return tf.div(tf.sub(clip, min), by(qmax - qmin));
}

function codesOf(x: tf.Tensor, grid: GridTensors, spec: FakeQuantSpec): tf.Tensor {
  const { qmin, qmax } = qtypeOf(spec.kind, spec.bits);
  const { scale, lowest, highest, isZero } = grid;
  let codes: tf.Tensor;
  if (spec.rounding === "half_even") {
    codes = tf.clipByValue(tf.round(tf.div(x, scale)), qmin, qmax);
  } else {
    const clamped = tf.minimum(tf.maximum(x, lowest), highest);
    const fromLowest = tf.div(tf.sub(clamped, lowest), scale);
    codes = tf.floor(tf.add(tf.add(fromLowest, qmin), 0.5));
  }
  // Adding zero turns −0 into 0. Clamping loses NaN on some backends: it comes back from x + scale.
  const finite = tf.add(tf.where(isZero, tf.zerosLike(x), codes), 0);
  return tf.where(tf.isNaN(tf.add(x, scale)), tf.fill(x.shape, NaN), finite);
}

function toAxis(clip: tf.Tensor, rank: number, axis: number | null): tf.Tensor {
  if (axis === null || clip.rank === 0) return clip;
  const shape = new Array<number>(rank).fill(1);
  shape[axis] = clip.size;
  return tf.reshape(clip, shape);
}

function isSigned(kind: QuantKind): boolean {
  return kind === "weight" || kind === "act";
}

function namedInputs(x: tf.Tensor, clip: tf.Tensor | null): Record<string, tf.Tensor> {
  return clip === null ? { x } : { x, clip };
}

function attributesOf(spec: FakeQuantSpec): KernelAttributes {
  const { kind, bits, axis, rounding, compat } = spec;
  return { kind, bits, axis: axis ?? -1, rounding, compat };
}
