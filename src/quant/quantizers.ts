/** A quantizer: what one weight or activation is rounded with. */
import type * as tf from "@tensorflow/tfjs";
import { gridOf } from "../core/affine.ts";
import { qtypeOf, type QuantKind } from "../core/qtype.ts";
import { fakeQuant, fakeQuantCodes, gridScale, type FakeQuantSpec } from "../ops/fake-quant.ts";

/** A variable that can be read, such as tf.LayerVariable. */
export interface ClipVariable {
  /** Clip, float32: scalar, or [channels]. */
  read(): tf.Tensor;
}

/** What a quantizer is made of. */
export interface QuantizerArgs {
  readonly path: string;
  readonly spec: FakeQuantSpec;
  readonly clip: ClipVariable | null;
  readonly clipL2: number;
  readonly isClipGiven: boolean;
}

/** The range of a quantizer; one entry for each channel, or a single one. */
export interface QuantizerRange {
  /** Smallest value on the grid, float32. */
  readonly min: Float32Array;
  /** Largest value on the grid, float32. */
  readonly max: Float32Array;
  /** Real size of one integer step, float32. */
  readonly scale: Float32Array;
  /** The clips themselves; empty for the softmax kind. */
  readonly clip: Float32Array;
}

/** Rounds values onto the grid of a clip that it reads but does not own. Creates no variables. */
export class Quantizer {
  /** Full path: that of the weight, or `<layer>/<name>`. */
  readonly path: string;
  readonly kind: QuantKind;
  readonly bits: number;
  /** Channel axis of the clips, or null for one clip. */
  readonly axis: number | null;
  readonly spec: FakeQuantSpec;
  /** Null for the softmax kind, whose range is constant. */
  readonly clip: ClipVariable | null;
  /** λ of the clip's L2 term. */
  readonly clipL2: number;
  /** True where the user gave the initial clip, so that calibration leaves it alone. */
  readonly isClipGiven: boolean;
  /** Largest absolute value of a code. */
  readonly maxAbsCode: number;

  constructor(args: QuantizerArgs) {
    this.path = args.path;
    this.spec = args.spec;
    this.kind = args.spec.kind;
    this.bits = args.spec.bits;
    this.axis = args.spec.axis;
    this.clip = args.clip;
    this.clipL2 = args.clipL2;
    this.isClipGiven = args.isClipGiven;
    const { qmin, qmax } = qtypeOf(this.kind, this.bits);
    this.maxAbsCode = Math.max(-qmin, qmax);
  }

  /** fround(code · scale), differentiable in x and in the clip; caller disposes. */
  apply(x: tf.Tensor): tf.Tensor {
    return fakeQuant(x, this.#clipTensor(), this.spec);
  }

  /** Integer codes as float32; caller disposes. */
  codes(x: tf.Tensor): tf.Tensor {
    return fakeQuantCodes(x, this.#clipTensor(), this.spec);
  }

  /** Real size of one integer step, shape of the clip; caller disposes. */
  scale(): tf.Tensor {
    return gridScale(this.#clipTensor(), this.spec);
  }

  /** Current range, read from the clip's values. Waits for the backend. */
  range(): QuantizerRange {
    const clip = this.clip === null ? new Float32Array(0) : readFloats(this.clip.read());
    const channels = Math.max(clip.length, 1);
    const [min, max, scale] = [0, 1, 2].map(() => new Float32Array(channels)) as [
      Float32Array,
      Float32Array,
      Float32Array,
    ];
    for (let i = 0; i < channels; i++) {
      const grid = gridOf(this.kind, this.bits, clip[i] ?? 0, this.spec.rounding);
      min[i] = grid.lowest;
      max[i] = grid.highest;
      scale[i] = grid.scale;
    }
    return { min, max, scale, clip };
  }

  #clipTensor(): tf.Tensor | null {
    return this.clip === null ? null : this.clip.read();
  }
}

function readFloats(tensor: tf.Tensor): Float32Array {
  return Float32Array.from(tensor.dataSync());
}
