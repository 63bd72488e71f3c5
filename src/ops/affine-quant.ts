/**
 * Fake quantization by a given scale and zero point. Codes are centred, so that zero is code 0; the
 * arithmetic is that of `core/affine.ts` on the grids of `core/range-grid.ts`.
 */
import * as tf from "@tensorflow/tfjs";
import { type KernelAttributes, runKernel, withGradient } from "./kernel.ts";

/** Stored codes, and which scale serves which element. */
export interface AffineQuantSpec {
  /** Smallest and largest stored code, both ends included. */
  readonly qmin: number;
  readonly qmax: number;
  /** Channel axis, the first (0) or the last; null for one scale and zero point. */
  readonly axis: number | null;
}

/** The grid of a tensor, float32 both: scalar, or [channels along the axis]. */
export interface ScaleAndZero {
  /** Real size of one integer step, positive. */
  readonly scale: tf.Tensor;
  /** The stored code of zero, an integer. */
  readonly zeroPoint: tf.Tensor;
}

/**
 * y = q·scale with q = clamp(rhe(fround(x/scale)), qmin − zeroPoint, qmax − zeroPoint).
 *
 * Gradient, straight through: dx = dy where (qmin − zeroPoint)·scale ≤ x ≤ (qmax − zeroPoint)·scale, else
 * 0; scale and zero point count as constants.
 *
 * @param x float32, any shape
 * @returns float32 of the shape of x; the caller disposes it
 */
export function affineQuant(x: tf.Tensor, grid: ScaleAndZero, spec: AffineQuantSpec): tf.Tensor {
  const { scale, zeroPoint } = grid;
  return withGradient(
    [x, scale, zeroPoint],
    (save) => {
      save([x, scale, zeroPoint]);
      return runKernel("QatAffineQuant", { x, scale, zeroPoint }, attributesOf(spec), () => {
        const along = gridTensors(x.rank, grid, spec);
        return [tf.mul(codesOf(x, along), along.scale)];
      })[0]!;
    },
    (dy, [savedX, savedScale, savedZero]) =>
      gradientOf(dy, savedX!, { scale: savedScale!, zeroPoint: savedZero! }, spec),
  );
}

/**
 * The centred integer codes of x, as float32: q of {@link affineQuant}. Not differentiable.
 * @returns float32 of the shape of x; the caller disposes it
 */
export function affineQuantCodes(
  x: tf.Tensor,
  grid: ScaleAndZero,
  spec: AffineQuantSpec,
): tf.Tensor {
  const { scale, zeroPoint } = grid;
  const inputs = { x, scale, zeroPoint };
  return runKernel("QatAffineQuantCodes", inputs, attributesOf(spec), () => [
    codesOf(x, gridTensors(x.rank, grid, spec)),
  ])[0]!;
}

function gradientOf(
  dy: tf.Tensor,
  x: tf.Tensor,
  grid: ScaleAndZero,
  spec: AffineQuantSpec,
): tf.Tensor[] {
  return tf.tidy(() => {
    const { scale, least, most } = gridTensors(x.rank, grid, spec);
    const reaches = tf.greaterEqual(x, tf.mul(least, scale));
    const fits = tf.lessEqual(x, tf.mul(most, scale));
    const dx = tf.where(tf.logicalAnd(reaches, fits), dy, tf.zerosLike(dy));
    return [dx, tf.zerosLike(grid.scale), tf.zerosLike(grid.zeroPoint)];
  });
}

/** The grid shaped to broadcast against a tensor: scale, smallest and largest centred code. */
interface GridTensors {
  readonly scale: tf.Tensor;
  readonly least: tf.Tensor;
  readonly most: tf.Tensor;
}

function gridTensors(rank: number, grid: ScaleAndZero, spec: AffineQuantSpec): GridTensors {
  const toAxis = (x: tf.Tensor): tf.Tensor => {
    if (spec.axis === null || x.rank === 0) return x;
    const shape = new Array<number>(rank).fill(1);
    shape[spec.axis] = x.size;
    return tf.reshape(x, shape);
  };
  const zero = toAxis(grid.zeroPoint);
  return {
    scale: toAxis(grid.scale),
    least: tf.sub(spec.qmin, zero),
    most: tf.sub(spec.qmax, zero),
  };
}

function codesOf(x: tf.Tensor, { scale, least, most }: GridTensors): tf.Tensor {
  const steps = tf.round(tf.div(x, scale));
  // Adding zero turns −0 into 0. Clamping loses NaN on some backends: it comes back from x + scale.
  const codes = tf.add(tf.minimum(tf.maximum(steps, least), most), 0);
  return tf.where(tf.isNaN(tf.add(x, scale)), tf.fill(x.shape, NaN), codes);
}

function attributesOf({ qmin, qmax, axis }: AffineQuantSpec): KernelAttributes {
  return { qmin, qmax, axis: axis ?? -1 };
}
