/** Integer codes with the grid they lie on, and how activations are put on theirs. */
import type { Grid } from "../../core/affine.ts";
import { firstNonFinite, quantizeArray } from "../../core/quantize.ts";
import type { Rounding } from "../../core/qtype.ts";
import { CheckpointError, FormatError } from "../../errors.ts";
import type { QuantizedActivationRecord } from "../../formats/quantization-json.ts";
import type { Trace } from "./trace.ts";

/** Rows of centred codes: value = fround(code · scale). */
export interface Coded {
  /** q − zero point, row-major. */
  readonly codes: Int32Array;
  readonly scale: number;
  /** Checkpoint path of the quantizer that made them. */
  readonly quantizer: string;
}

/** The quantizer of one activation, as an export describes it. */
export class ActivationQuantizer {
  readonly path: string;
  readonly scale: number;
  /** Largest absolute value of a centred code. */
  readonly maxAbsCode: number;
  /** Of codes less their zero point. */
  readonly #grid: Grid;

  /** @throws {FormatError} if the record contradicts itself */
  constructor(path: string, record: QuantizedActivationRecord, rounding: Rounding) {
    const { qmin, qmax, scale, zero_point: zeroPoint, min, max } = record;
    const isZero = min === 0 && max === 0;
    if (!(scale > 0) || zeroPoint < qmin || zeroPoint > qmax || qmin >= qmax) {
      throw new FormatError(
        `quantization.json, "${path}": expected a positive scale and a zero point from qmin to ` +
          `qmax, received scale ${scale}, zero point ${zeroPoint}, ${qmin} to ${qmax}. ` +
          `Export the model again.`,
      );
    }
    if (rounding === "half_up" && zeroPoint !== 0) {
      throw new FormatError(
        `quantization.json, "${path}": expected zero point 0 with half_up rounding, received ` +
          `${zeroPoint}. Export the model again.`,
      );
    }
    this.path = path;
    this.scale = scale;
    this.maxAbsCode = Math.max(qmax - zeroPoint, zeroPoint - qmin);
    const centred = { qmin: qmin - zeroPoint, qmax: qmax - zeroPoint };
    this.#grid = { ...centred, scale, lowest: min, highest: max, rounding, isZero };
  }

  /**
   * Rounds values to codes and reports them.
   * @throws {CheckpointError} for NaN or ±Infinity
   */
  apply(x: Float32Array, trace: Trace): Coded {
    const bad = firstNonFinite(x);
    if (bad >= 0) {
      throw new CheckpointError(
        `"${this.path}": expected finite activations, received ${x[bad]!}. ` +
          `Some weight of the export is far too large; inspect it.`,
      );
    }
    const codes = new Int32Array(x.length);
    quantizeArray(x, codes, [this.#grid], { outer: 1, channels: 1, inner: x.length });
    trace.onCodes?.(this.path, codes);
    return { codes, scale: this.scale, quantizer: this.path };
  }
}
