/**
 * One forward pass: what the layers of a model share while it runs. It travels in the `kwargs` of
 * `Layer.call`, so nothing about quantization is global.
 */
import type * as tf from "@tensorflow/tfjs";

/** The grid that a tensor's values lie on: value = code · scale. */
export interface TensorGrid {
  /** Path of the quantizer that made the tensor, such as `…/ffn/dense1_activ`. */
  readonly quantizer: string;
  /** Scalar, or [channels] along `axis`; float32. Owned by whoever owns the quantized tensor. */
  readonly scale: tf.Tensor;
  /** Channel axis, or null for one scale. */
  readonly axis: number | null;
  readonly bits: number;
  /** Largest absolute value of a code: bounds the sums of an integer product. */
  readonly maxAbsCode: number;
}

/** One matrix product as it ran: a row of the placement report. */
export interface ProductRecord {
  /** Path of the layer and the product's name in it, such as `…/self_attention/scores`. */
  readonly product: string;
  /** The quantizer of each operand, or null where it is float. */
  readonly left: TensorGrid | null;
  readonly right: TensorGrid | null;
}

/** Where the random numbers of dropout come from: one stream for each site of one step. */
export interface DropoutSource {
  /** A scalar int32 seed tensor for the next dropout site of this step; caller disposes. */
  nextSeed(): tf.Tensor;
}

/** Weights on their grid, made once and reused: by one training step, or by a whole evaluation. */
export interface QuantizedWeight {
  /** fround(code · scale), shape of the weight. */
  readonly values: tf.Tensor;
  /** The integer codes as float32; only where products multiply codes. */
  readonly codes: tf.Tensor | null;
  readonly grid: TensorGrid;
}

/** Settings and shared state of one forward pass. */
export interface Pass {
  /** True applies dropout. */
  readonly training: boolean;
  /**
   * `values`: products multiply dequantized float32 values (training).
   * `codes`: products whose operands are both on a grid multiply integer codes exactly and scale
   * once (evaluation); layer norm, softmax and log-softmax follow `core/`'s order of summation.
   */
  readonly products: "values" | "codes";
  readonly dropout: DropoutSource | null;
  /** Quantized weights by variable name, so that each weight is quantized once per pass. */
  readonly weights: Map<string, QuantizedWeight>;
  /** Grids of the quantized tensors of this pass, by data id (reshaping keeps it). */
  readonly grids: WeakMap<object, TensorGrid>;
  /** Sees each activation just before it is quantized: calibration. */
  readonly observe?: (quantizer: string, x: tf.Tensor) => void;
  /** True leaves activations unquantized while `observe` collects their ranges. */
  readonly skipActivations?: boolean;
  /** Sees each product: the placement report. */
  readonly onProduct?: (record: ProductRecord) => void;
  /** Sees each quantized activation's codes (float32 integers): parity checks. */
  readonly onCodes?: (quantizer: string, codes: tf.Tensor) => void;
}
