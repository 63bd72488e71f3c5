/** A quantized weight as integers, as exports and reports take it. */
import * as tf from "@tensorflow/tfjs";
import type { QuantMode } from "../core/qtype.ts";
import { ExportError } from "../errors.ts";
import type { StaticQuantizer } from "../quant/quantizers.ts";
import { storedCodes } from "../quant/stored-codes.ts";

/** A weight as the export stores it. */
export interface QuantizedWeightView {
  /** Integer codes as they are stored, row-major: unsigned where the mode is. */
  readonly codes: Int8Array | Uint8Array;
  readonly shape: readonly number[];
  readonly bits: number;
  readonly mode: QuantMode;
  /** Smallest and largest stored code. */
  readonly stored: { readonly qmin: number; readonly qmax: number };
  /** Channel axis of the scales, or null for one scale. */
  readonly axis: number | null;
  /** Real size of one integer step: one, or one for each channel. */
  readonly scale: Float32Array;
  /** The stored code of zero, as many as scales. */
  readonly zeroPoint: Int32Array;
  /** Smallest and largest value of the grid, as many as scales. */
  readonly min: Float32Array;
  readonly max: Float32Array;
  /** Empty where ranges are not learnt. */
  readonly clipMax: Float32Array;
}

/**
 * The integer codes and range of a weight. Waits for the backend.
 * @throws {ExportError} for NaN
 */
export function viewWeight(quantizer: StaticQuantizer, weight: tf.Tensor): QuantizedWeightView {
  const floats = tf.tidy(() => quantizer.codes(weight).dataSync());
  if (floats.some(Number.isNaN)) {
    throw new ExportError(
      `${quantizer.path}: expected finite weights, received NaN. ` +
        `Go back to a checkpoint from before the loss diverged.`,
    );
  }
  const { clip, ...range } = quantizer.range();
  const { bits, axis, mode, stored } = quantizer;
  const { shape } = weight;
  const codes = storedCodes(floats, quantizer, shape, range.zeroPoint);
  return { codes, shape, bits, axis, mode, stored, ...range, clipMax: clip };
}
