/** What the reference executor reports while it runs, so that each operation can be compared. */

/** One integer product. */
interface TracedProduct {
  /** Path of the layer and the product's name in it, such as `…/self_attention/scores`. */
  readonly product: string;
  /** Path of the quantizer of each operand. */
  readonly left: string;
  readonly right: string;
  /** int32 sums, row-major. It is not changed afterwards. */
  readonly sums: Int32Array;
}

/** Receives intermediate results in the order of execution. */
export interface Trace {
  /**
   * Codes of one quantized activation.
   * @param quantizer checkpoint path, such as `…/ffn/dense1_activ`
   * @param codes row-major, zero point included. It is not changed afterwards.
   */
  onCodes?(quantizer: string, codes: Int32Array): void;
  onProduct?(product: TracedProduct): void;
}
