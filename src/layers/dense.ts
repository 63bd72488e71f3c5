/** A dense layer with a quantized kernel. */
import * as tf from "@tensorflow/tfjs";
import type { Pass } from "../quant/pass.ts";
import { activate, type Activation } from "./activation.ts";
import { glorotUniform } from "./initial-weights.ts";
import { asRows, firstShape, lastWidth, onlyTensor } from "./input-tensors.ts";
import { linearProduct } from "./product.ts";
import { QuantLayer, type CallArgs, type QuantLayerArgs } from "./quant-layer.ts";

export interface QuantDenseArgs extends QuantLayerArgs {
  /** Width of the last output axis. */
  readonly units: number;
  /** [default: linear] */
  readonly activation?: Activation;
  /** False leaves the result in float, where another layer quantizes it [default: true]. */
  readonly quantizeOutput?: boolean;
}

/** activation(x·kernel + bias) over the last axis; quantizes the kernel and the result. */
export class QuantDense extends QuantLayer {
  static readonly className = "QuantDense";
  readonly units: number;
  readonly activation: Activation;
  readonly quantizeOutput: boolean;
  #kernel!: tf.LayerVariable;
  #bias!: tf.LayerVariable;

  constructor(args: QuantDenseArgs) {
    super(args);
    this.units = args.units;
    this.activation = args.activation ?? "linear";
    this.quantizeOutput = args.quantizeOutput ?? true;
  }

  override build(inputShape: tf.Shape | tf.Shape[]): void {
    const shape = [lastWidth(this.name, inputShape), this.units];
    const initializer = glorotUniform(this.seed, `${this.name}/kernel`);
    this.#kernel = this.addWeight("kernel", shape, "float32", initializer);
    this.#bias = this.addWeight("bias", [this.units], "float32", tf.initializers.zeros());
    if (this.quantizeOutput) this.addActivationQuantizer("output", this.activation);
    super.build(inputShape);
  }

  /** @param x [..., inputs] @returns [..., units]; quantized if `quantizeOutput` */
  transform(x: tf.Tensor, pass: Pass): tf.Tensor {
    const kernel = this.weightOperand(this.#kernel, pass) as tf.Tensor2D;
    const options = { name: `${this.name}/product`, pass };
    const bias = this.#bias.read() as tf.Tensor1D;
    const rows = linearProduct(asRows(x, pass), kernel, bias, options);
    const y = tf.reshape(activate(rows, this.activation), [...x.shape.slice(0, -1), this.units]);
    return this.quantizeOutput ? this.quant(y, "output", pass) : y;
  }

  override call(inputs: tf.Tensor | tf.Tensor[], kwargs: CallArgs): tf.Tensor {
    return this.inPass(kwargs, (pass) => this.transform(onlyTensor(inputs), pass));
  }

  override computeOutputShape(inputShape: tf.Shape | tf.Shape[]): tf.Shape {
    return [...firstShape(inputShape).slice(0, -1), this.units];
  }

  override getConfig(): tf.serialization.ConfigDict {
    const { units, activation, quantizeOutput } = this;
    return { ...super.getConfig(), units, activation, quantizeOutput };
  }
}
