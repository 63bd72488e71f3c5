/** The token table: embedding and, where shared, the softmax weights. */
import * as tf from "@tensorflow/tfjs";
import { embeddingLookup } from "../ops/embedding-lookup.ts";
import { roundFloat16 } from "../ops/round-float16.ts";
import type { Pass, TensorGrid } from "../quant/pass.ts";
import { embeddingNormal, uniform } from "./initial-weights.ts";
import { firstShape, onlyTensor } from "./input-tensors.ts";
import { linearProduct } from "./product.ts";
import { reportOperation } from "./report.ts";
import { QuantLayer, type CallArgs, type QuantLayerArgs } from "./quant-layer.ts";

export interface TokenEmbeddingArgs extends QuantLayerArgs {
  readonly vocabSize: number;
  /** Width of a token's vector. */
  readonly dim: number;
  /** True adds the softmax bias, for tables that also make logits [default: false]. */
  readonly sharesSoftmax?: boolean;
  /** Weights start uniform in ± this [default: normal with deviation dim^−½]. */
  readonly initialRange?: number | null;
}

/** A table [vocabSize, dim]: looks tokens up and, where shared, turns vectors into logits. */
export class TokenEmbedding extends QuantLayer {
  static readonly className = "TokenEmbedding";
  readonly vocabSize: number;
  readonly dim: number;
  readonly sharesSoftmax: boolean;
  readonly initialRange: number | null;
  #weights!: tf.LayerVariable;
  #bias: tf.LayerVariable | null = null;

  constructor(args: TokenEmbeddingArgs) {
    super(args);
    this.vocabSize = args.vocabSize;
    this.dim = args.dim;
    this.sharesSoftmax = args.sharesSoftmax ?? false;
    this.initialRange = args.initialRange ?? null;
  }

  override build(inputShape: tf.Shape | tf.Shape[]): void {
    const { vocabSize, dim, initialRange: range } = this;
    const name = `${this.name}/weights`;
    const initializer =
      range === null ? embeddingNormal(dim, this.seed, name) : uniform(range, this.seed, name);
    this.#weights = this.addWeight("weights", [vocabSize, dim], "float32", initializer);
    if (this.sharesSoftmax) {
      this.#bias = this.addWeight("bias", [vocabSize], "float32", tf.initializers.zeros());
    }
    super.build(inputShape);
  }

  /** One clip for each token's row. */
  protected override channelAxis(): number {
    return 0;
  }

  /**
   * Vectors of tokens. Where the pass multiplies codes, codes are gathered, then dequantized.
   * @param ids int32 [...]
   * @returns [..., dim], on no grid that a product could use
   */
  embed(ids: tf.Tensor, pass: Pass): tf.Tensor {
    const table = this.weightOperand(this.#weights, pass) as tf.Tensor2D;
    const rows = embeddingLookup(table, ids);
    const vectors = this.#dequantized(rows, ids, pass.grids.get(table.dataId));
    reportOperation(this.name, [], vectors, pass);
    return vectors;
  }

  #dequantized(rows: tf.Tensor, ids: tf.Tensor, grid: TensorGrid | undefined): tf.Tensor {
    if (grid?.holdsCodes !== true) return rows;
    const scale = grid.scale!;
    if (grid.axis === null) return tf.mul(rows, scale);
    return tf.mul(rows, tf.expandDims(tf.gather(scale, ids), -1));
  }

  /** x·weightsᵀ + bias. @param x [rows, dim] @returns [rows, vocabSize] */
  logits(x: tf.Tensor2D, pass: Pass): tf.Tensor2D {
    const table = this.weightOperand(this.#weights, pass) as tf.Tensor2D;
    const accumulator = this.accumulatorRules(this.#weights);
    const options = { name: `${this.name}/logits`, pass, transposeB: true, accumulator };
    const bias = (this.#bias?.read() ?? null) as tf.Tensor1D | null;
    const sums = linearProduct(x, table, bias, options);
    const logits = pass.float16.has(table.dataId) ? roundFloat16(sums) : sums;
    reportOperation(options.name, [x], logits, pass);
    return logits;
  }

  override call(inputs: tf.Tensor | tf.Tensor[], kwargs: CallArgs): tf.Tensor {
    return this.inPass(kwargs, (pass) => this.embed(tf.cast(onlyTensor(inputs), "int32"), pass));
  }

  override computeOutputShape(inputShape: tf.Shape | tf.Shape[]): tf.Shape {
    return [...firstShape(inputShape), this.dim];
  }

  override getConfig(): tf.serialization.ConfigDict {
    const { vocabSize, dim, sharesSoftmax, initialRange } = this;
    return { ...super.getConfig(), vocabSize, dim, sharesSoftmax, initialRange };
  }
}
