/** A quantizer without a grid: values are rounded to half precision. */
import type * as tf from "@tensorflow/tfjs";
import type { QuantKind } from "../core/qtype.ts";
import { roundFloat16 } from "../ops/round-float16.ts";
import { Quantizer } from "./quantizers.ts";

/**
 * Rounds to IEEE 754 binary16; products of what it makes multiply float32 values. Values from ±65520
 * on become infinite, as in a cast.
 */
export class Float16Quantizer extends Quantizer {
  constructor({ path, kind }: { readonly path: string; readonly kind: QuantKind }) {
    super({ path, kind, bits: 16 });
  }

  override apply(x: tf.Tensor): tf.Tensor {
    return roundFloat16(x);
  }
}
