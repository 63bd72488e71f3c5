/** A quantizer whose range was observed: a scale and a zero point that are not learnt. */
import type * as tf from "@tensorflow/tfjs";
import type { Grid } from "../core/affine.ts";
import { rangeGrid, type RangeSpec, type ValueRange } from "../core/range-grid.ts";
import { affineQuant, affineQuantCodes, type AffineQuantSpec } from "../ops/affine-quant.ts";
import {
  type AssignedRange,
  entriesOf,
  type QuantizerRange,
  readFloats,
  type RangeVariable,
  StaticQuantizer,
  writeFloats,
} from "./quantizers.ts";

/** What an {@link AffineQuantizer} is made of. */
export interface AffineQuantizerArgs {
  readonly path: string;
  readonly spec: RangeSpec;
  /** Channel axis of the ranges, or null for one. */
  readonly axis: number | null;
  /** Float32 both: scalar, or [channels]. */
  readonly scale: RangeVariable;
  readonly zeroPoint: RangeVariable;
}

/** Rounds values onto the grid of a scale and a zero point that it reads but does not own. */
export class AffineQuantizer extends StaticQuantizer {
  override readonly mode: RangeSpec["mode"];
  override readonly axis: number | null;
  override readonly stored: { readonly qmin: number; readonly qmax: number };
  override readonly maxAbsCode: number;
  override readonly compat = "none";
  readonly spec: RangeSpec;
  readonly variables: Readonly<Record<"scale" | "zeroPoint", RangeVariable>>;
  readonly #codes: AffineQuantSpec;

  constructor({ path, spec, axis, scale, zeroPoint }: AffineQuantizerArgs) {
    super({ path, kind: spec.kind, bits: spec.bits });
    this.spec = spec;
    this.mode = spec.mode;
    this.axis = axis;
    this.variables = { scale, zeroPoint };
    const { qmin, qmax, zeroPoint: zero } = rangeGrid(spec, { lo: 0, hi: 0 });
    this.stored = { qmin: qmin + zero, qmax: qmax + zero };
    this.#codes = { ...this.stored, axis };
    // A zero point may be any stored code.
    this.maxAbsCode = this.isAsymmetric ? qmax - qmin : Math.max(-qmin, qmax);
  }

  /** Whether zero may be another code than 0. */
  get isAsymmetric(): boolean {
    return this.mode === "asymmetric_signed" || this.mode === "asymmetric_unsigned";
  }

  override apply(x: tf.Tensor): tf.Tensor {
    return affineQuant(x, this.#grid(), this.#codes);
  }

  override codes(x: tf.Tensor): tf.Tensor {
    return affineQuantCodes(x, this.#grid(), this.#codes);
  }

  override scale(): tf.Tensor {
    return this.variables.scale.read().clone();
  }

  override range(): QuantizerRange {
    const scale = readFloats(this.variables.scale.read());
    const zeroPoint = Int32Array.from(readFloats(this.variables.zeroPoint.read()));
    const ends = (code: number): Float32Array =>
      scale.map((s, c) => (code === zeroPoint[c]! ? 0 : Math.fround((code - zeroPoint[c]!) * s)));
    const { qmin, qmax } = this.stored;
    const clip = new Float32Array(0);
    return { min: ends(qmin), max: ends(qmax), scale, zeroPoint, clip };
  }

  override gridFor(range: ValueRange): Grid {
    return rangeGrid(this.spec, range);
  }

  override assignRange(range: AssignedRange): void {
    const grids = entriesOf(range).map((entry) => rangeGrid(this.spec, entry));
    const { scale, zeroPoint } = this.variables;
    writeFloats(
      this.path,
      scale,
      grids.map((grid) => grid.scale),
    );
    writeFloats(
      this.path,
      zeroPoint,
      grids.map((grid) => grid.zeroPoint),
    );
  }

  #grid(): { scale: tf.Tensor; zeroPoint: tf.Tensor } {
    const { scale, zeroPoint } = this.variables;
    return { scale: scale.read(), zeroPoint: zeroPoint.read() };
  }
}
