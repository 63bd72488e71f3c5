/** A quantizer: what one weight or activation is rounded with. */
import * as tf from "@tensorflow/tfjs";
import { type Grid, gridOf } from "../core/affine.ts";
import { type QuantKind, type QuantMode, qtypeOf } from "../core/qtype.ts";
import type { ValueRange } from "../core/range-grid.ts";
import { ShapeError } from "../errors.ts";
import { fakeQuant, fakeQuantCodes, gridScale, type FakeQuantSpec } from "../ops/fake-quant.ts";

/** A variable of a quantizer, such as tf.LayerVariable: float32, scalar or [channels]. */
export interface RangeVariable {
  read(): tf.Tensor;
  write(value: tf.Tensor): unknown;
}

/** The range of a quantizer; one entry for each channel, or a single one. */
export interface QuantizerRange {
  /** Smallest value on the grid, float32. */
  readonly min: Float32Array;
  /** Largest value on the grid, float32. */
  readonly max: Float32Array;
  /** Real size of one integer step, float32. */
  readonly scale: Float32Array;
  /** The stored code of zero. */
  readonly zeroPoint: Int32Array;
  /** The clips themselves; empty where there are none. */
  readonly clip: Float32Array;
}

/** Ranges that are to be a quantizer's, real units; one entry for each channel, or a single one. */
export interface AssignedRange {
  readonly lo: ArrayLike<number>;
  readonly hi: ArrayLike<number>;
}

/** What every quantizer is told. */
export interface QuantizerPlace {
  /** Full path: that of the weight, or `<layer>/<name>`. */
  readonly path: string;
  readonly kind: QuantKind;
  readonly bits: number;
}

/** Rounds values. Creates no variables. */
export abstract class Quantizer {
  readonly path: string;
  readonly kind: QuantKind;
  readonly bits: number;

  constructor({ path, kind, bits }: QuantizerPlace) {
    this.path = path;
    this.kind = kind;
    this.bits = bits;
  }

  /** Values of x on the grid, differentiable in x; caller disposes. */
  abstract apply(x: tf.Tensor): tf.Tensor;
}

/** A quantizer whose grid stays the same from tensor to tensor, so that its codes can be multiplied. */
export abstract class StaticQuantizer extends Quantizer {
  /** Which codes a range is spread over. */
  abstract readonly mode: QuantMode;
  /** Channel axis of the ranges, or null for one. */
  abstract readonly axis: number | null;
  /** Smallest and largest code as it is stored: {@link codes} plus the zero point. */
  abstract readonly stored: { readonly qmin: number; readonly qmax: number };
  /** Bound of the absolute value of {@link codes}. */
  abstract readonly maxAbsCode: number;
  /** The other tool whose order of summation is wanted, or none. */
  abstract readonly compat: FakeQuantSpec["compat"];

  /** Integer codes as float32, zero being code 0; caller disposes. */
  abstract codes(x: tf.Tensor): tf.Tensor;

  /** Real size of one integer step, scalar or [channels]; caller disposes. */
  abstract scale(): tf.Tensor;

  /** Current range, read from the variables. Waits for the backend. */
  abstract range(): QuantizerRange;

  /** The grid that a range would give; changes nothing. */
  abstract gridFor(range: ValueRange): Grid;

  /**
   * Makes a range the quantizer's own; nothing where the range is constant.
   * @throws {ShapeError} if there is not one entry for each channel; {@link ConfigError} if a bound is
   *   not finite, or lo > hi
   */
  abstract assignRange(range: AssignedRange): void;
}

/** What a quantizer with a learned clip is made of. */
export interface ClipQuantizerArgs {
  readonly path: string;
  readonly spec: FakeQuantSpec;
  /** Null for the softmax kind, whose range is constant. */
  readonly clip: RangeVariable | null;
  readonly clipL2: number;
  readonly isClipGiven: boolean;
}

/** Rounds values onto the grid of a clip that it reads but does not own, and that can be learnt. */
export class ClipQuantizer extends StaticQuantizer {
  override readonly mode = "symmetric";
  override readonly axis: number | null;
  override readonly stored: { readonly qmin: number; readonly qmax: number };
  override readonly maxAbsCode: number;
  override readonly compat: FakeQuantSpec["compat"];
  readonly spec: FakeQuantSpec;
  /** Null for the softmax kind, whose range is constant. */
  readonly clip: RangeVariable | null;
  /** λ of the clip's L2 term. */
  readonly clipL2: number;
  /** True where the user gave the initial clip, so that calibration leaves it alone. */
  readonly isClipGiven: boolean;

  constructor({ path, spec, clip, clipL2, isClipGiven }: ClipQuantizerArgs) {
    super({ path, kind: spec.kind, bits: spec.bits });
    this.spec = spec;
    this.axis = spec.axis;
    this.compat = spec.compat;
    this.clip = clip;
    this.clipL2 = clipL2;
    this.isClipGiven = isClipGiven;
    const { qmin, qmax } = qtypeOf(this.kind, this.bits);
    this.stored = { qmin, qmax };
    this.maxAbsCode = Math.max(-qmin, qmax);
  }

  /** fround(code · scale), differentiable in x and in the clip; caller disposes. */
  override apply(x: tf.Tensor): tf.Tensor {
    return fakeQuant(x, this.#clipTensor(), this.spec);
  }

  override codes(x: tf.Tensor): tf.Tensor {
    return fakeQuantCodes(x, this.#clipTensor(), this.spec);
  }

  override scale(): tf.Tensor {
    return gridScale(this.#clipTensor(), this.spec);
  }

  override range(): QuantizerRange {
    const clip = this.clip === null ? new Float32Array(0) : readFloats(this.clip.read());
    const clips = clip.length === 0 ? [0] : Array.from(clip);
    const grids = clips.map((c) => gridOf(this.kind, this.bits, c, this.spec.rounding));
    return {
      min: Float32Array.from(grids, ({ lowest }) => lowest),
      max: Float32Array.from(grids, ({ highest }) => highest),
      scale: Float32Array.from(grids, ({ scale }) => scale),
      zeroPoint: new Int32Array(grids.length),
      clip,
    };
  }

  override gridFor(range: ValueRange): Grid {
    return gridOf(this.kind, this.bits, this.#clipOf(range), this.spec.rounding);
  }

  override assignRange(range: AssignedRange): void {
    if (this.clip === null) return;
    const clips = entriesOf(range).map((entry) => this.#clipOf(entry));
    writeFloats(this.path, this.clip, clips);
  }

  #clipOf({ lo, hi }: ValueRange): number {
    return this.kind === "relu" ? Math.max(hi, 0) : Math.max(Math.abs(lo), Math.abs(hi));
  }

  #clipTensor(): tf.Tensor | null {
    return this.clip === null ? null : this.clip.read();
  }
}

/** The values of a variable. Waits for the backend. */
export function readFloats(tensor: tf.Tensor): Float32Array {
  return Float32Array.from(tensor.dataSync());
}

/** The ranges one by one. */
export function entriesOf({ lo, hi }: AssignedRange): ValueRange[] {
  return Array.from(lo, (low, i) => ({ lo: low, hi: hi[i]! }));
}

/**
 * Gives a variable new values.
 * @throws {ShapeError} if it holds another number of them
 */
export function writeFloats(
  path: string,
  variable: RangeVariable,
  values: readonly number[],
): void {
  const { shape, size } = variable.read();
  if (size !== values.length) {
    throw new ShapeError(
      `range of "${path}": expected ${size} for each bound, received ${values.length}. ` +
        `Give one for each channel, or one where the quantizer has a single range.`,
    );
  }
  tf.tidy(() => {
    variable.write(tf.tensor(Float32Array.from(values), shape, "float32"));
  });
}
