/** The linear maps around attention: into heads, and from heads back. */
import * as tf from "@tensorflow/tfjs";
import { ConfigError } from "../errors.ts";
import { splitHeads } from "../ops/heads.ts";
import type { Pass, TensorGrid } from "../quant/pass.ts";
import { glorotUniform } from "./initial-weights.ts";
import { asRows, firstShape, lastWidth, onlyTensor } from "./input-tensors.ts";
import { linearProduct } from "./product.ts";
import { reportOperation } from "./report.ts";
import { QuantLayer, type CallArgs, type QuantLayerArgs } from "./quant-layer.ts";

export interface MultiHeadDenseArgs extends QuantLayerArgs {
  /** Width of each part, over all heads. */
  readonly units: number;
  readonly numHeads: number;
  /** Results from one fused kernel, such as 3 for queries, keys and values [default: 1]. */
  readonly parts?: number;
}

/**
 * x·kernel + bias, split into `parts` results of `numHeads` heads. One kernel [width, parts·units]
 * and one clip serve all parts.
 */
export class MultiHeadDense extends QuantLayer {
  static readonly className = "MultiHeadDense";
  readonly units: number;
  readonly numHeads: number;
  readonly parts: number;
  #kernel!: tf.LayerVariable;
  #bias!: tf.LayerVariable;

  constructor(args: MultiHeadDenseArgs) {
    super(args);
    this.units = args.units;
    this.numHeads = args.numHeads;
    this.parts = args.parts ?? 1;
    if (this.units % this.numHeads !== 0) {
      throw new ConfigError(
        `${this.name}: expected units divisible by heads, received ${this.units} units and ` +
          `${this.numHeads} heads. Change num_attention_heads or hidden_size.`,
      );
    }
  }

  override build(inputShape: tf.Shape | tf.Shape[]): void {
    const outputs = this.units * this.parts;
    const shape = [lastWidth(this.name, inputShape), outputs];
    const initializer = glorotUniform(this.seed, `${this.name}/kernel`);
    this.#kernel = this.addWeight("kernel", shape, "float32", initializer);
    this.#bias = this.addWeight("bias", [outputs], "float32", tf.initializers.zeros());
    this.addActivationQuantizer("output");
    super.build(inputShape);
  }

  /**
   * @param x [batch, time, width]
   * @returns `parts` tensors [batch, heads, time, units/heads] for use in products
   */
  splitHeads(x: tf.Tensor, pass: Pass): tf.Tensor4D[] {
    const [batch, time] = x.shape as [number, number];
    const { parts, numHeads } = this;
    const rows = tf.reshape<tf.Rank.R3>(this.project(x, pass), [batch, time, parts * this.units]);
    const results = splitHeads(rows, parts, numHeads);
    return results.map((part) => this.markOperand(part, "output", pass));
  }

  /** @param x [..., width] @returns [rows, parts·units] for use in products, not yet split */
  project(x: tf.Tensor, pass: Pass): tf.Tensor2D {
    const rows = this.#linear(x, pass);
    this.#report(x, rows, pass);
    return this.quantOperand(rows, "output", pass) as tf.Tensor2D;
  }

  /** The grid of {@link project} results; null in float. */
  projectionGrid(pass: Pass): TensorGrid | null {
    return this.operandGrid("output", pass);
  }

  /** @param x [..., width] @returns [..., parts·units], quantized */
  transform(x: tf.Tensor, pass: Pass): tf.Tensor {
    const shape = [...x.shape.slice(0, -1), this.units * this.parts];
    const rows = this.#linear(x, pass);
    this.#report(x, rows, pass);
    return this.quant(tf.reshape(rows, shape), "output", pass);
  }

  #report(x: tf.Tensor, rows: tf.Tensor2D, pass: Pass): void {
    if (pass.onOperation === undefined) return;
    const y = tf.reshape(rows, [...x.shape.slice(0, -1), rows.shape[1]]);
    reportOperation(this.name, [x], y, pass);
  }

  protected override isReported(): boolean {
    return true;
  }

  #linear(x: tf.Tensor, pass: Pass): tf.Tensor2D {
    const kernel = this.weightOperand(this.#kernel, pass) as tf.Tensor2D;
    const options = {
      name: `${this.name}/product`,
      pass,
      accumulator: this.accumulatorRules(this.#kernel),
    };
    return linearProduct(asRows(x, pass), kernel, this.#bias.read() as tf.Tensor1D, options);
  }

  /** Under the host: [..., parts·units], heads side by side. */
  override call(inputs: tf.Tensor | tf.Tensor[], kwargs: CallArgs): tf.Tensor {
    return this.inPass(kwargs, (pass) => this.transform(onlyTensor(inputs), pass));
  }

  override computeOutputShape(inputShape: tf.Shape | tf.Shape[]): tf.Shape {
    return [...firstShape(inputShape).slice(0, -1), this.units * this.parts];
  }

  override getConfig(): tf.serialization.ConfigDict {
    const { units, numHeads, parts } = this;
    return { ...super.getConfig(), units, numHeads, parts };
  }
}
