/** The position-wise feed-forward layer of a Transformer. */
import type * as tf from "@tensorflow/tfjs";
import type { Pass } from "../quant/pass.ts";
import type { Activation } from "./activation.ts";
import { QuantDense } from "./dense.ts";
import { dropoutIn } from "./dropout.ts";
import { firstShape, lastWidth, onlyTensor } from "./input-tensors.ts";
import { QuantLayer, type CallArgs, type QuantLayerArgs } from "./quant-layer.ts";

export interface FeedForwardArgs extends QuantLayerArgs {
  /** Width between the two dense layers. */
  readonly filterSize: number;
  /** [default: relu] */
  readonly activation?: Activation;
  /** Dropout between the two dense layers [default: 0]. */
  readonly dropoutRate?: number;
}

/** dense2(dropout(quant(activation(dense1(x))))): the result of dense2 stays float. */
export class FeedForward extends QuantLayer {
  static readonly className = "QuantFeedForward";
  readonly filterSize: number;
  readonly activation: Activation;
  readonly dropoutRate: number;
  #dense1!: QuantDense;
  #dense2!: QuantDense;

  constructor(args: FeedForwardArgs) {
    super(args);
    this.filterSize = args.filterSize;
    this.activation = args.activation ?? "relu";
    this.dropoutRate = args.dropoutRate ?? 0;
  }

  override build(inputShape: tf.Shape | tf.Shape[]): void {
    const width = lastWidth(this.name, inputShape);
    this.addActivationQuantizer("dense1_activ", this.activation);
    const dense1 = { units: this.filterSize, activation: this.activation, quantizeOutput: false };
    this.#dense1 = this.track(new QuantDense({ ...this.sublayerArgs("dense1"), ...dense1 }));
    const dense2 = { units: width, quantizeOutput: false };
    this.#dense2 = this.track(new QuantDense({ ...this.sublayerArgs("dense2"), ...dense2 }));
    this.#dense1.build([width]);
    this.#dense2.build([this.filterSize]);
    super.build(inputShape);
  }

  /** @param x [..., width] @returns shape of x */
  transform(x: tf.Tensor, pass: Pass): tf.Tensor {
    const hidden = this.quantOperand(this.#dense1.transform(x, pass), "dense1_activ", pass);
    return this.#dense2.transform(dropoutIn(hidden, this.dropoutRate, pass), pass);
  }

  override call(inputs: tf.Tensor | tf.Tensor[], kwargs: CallArgs): tf.Tensor {
    return this.inPass(kwargs, (pass) => this.transform(onlyTensor(inputs), pass));
  }

  override computeOutputShape(inputShape: tf.Shape | tf.Shape[]): tf.Shape {
    return firstShape(inputShape);
  }

  override getConfig(): tf.serialization.ConfigDict {
    const { filterSize, activation, dropoutRate } = this;
    return { ...super.getConfig(), filterSize, activation, dropoutRate };
  }
}
