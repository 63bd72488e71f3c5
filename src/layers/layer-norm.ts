/** Layer normalization as a layer. */
import * as tf from "@tensorflow/tfjs";
import { layerNorm } from "../ops/layer-norm.ts";
import { firstShape, lastWidth, onlyTensor } from "./input-tensors.ts";
import { QuantLayer, type CallArgs, type QuantLayerArgs } from "./quant-layer.ts";

export interface LayerNormArgs extends QuantLayerArgs {
  /** Added to the variance [default: 1e-6]. */
  readonly epsilon?: number;
}

/** (x − mean)/√(variance + ε)·gamma + beta over the last axis, always in float. */
export class LayerNorm extends QuantLayer {
  static readonly className = "QuantLayerNorm";
  readonly epsilon: number;
  #gamma!: tf.LayerVariable;
  #beta!: tf.LayerVariable;

  constructor(args: LayerNormArgs = {}) {
    super(args);
    this.epsilon = args.epsilon ?? 1e-6;
  }

  override build(inputShape: tf.Shape | tf.Shape[]): void {
    const shape = [lastWidth(this.name, inputShape)];
    this.#gamma = this.addWeight("gamma", shape, "float32", tf.initializers.ones());
    this.#beta = this.addWeight("beta", shape, "float32", tf.initializers.zeros());
    super.build(inputShape);
  }

  protected override quantizesWeight(): boolean {
    return false;
  }

  /** @param x [..., width] @returns shape of x */
  normalize(x: tf.Tensor): tf.Tensor {
    const gamma = this.#gamma.read() as tf.Tensor1D;
    return layerNorm(x, gamma, this.#beta.read() as tf.Tensor1D, this.epsilon);
  }

  override call(inputs: tf.Tensor | tf.Tensor[], kwargs: CallArgs): tf.Tensor {
    return this.inPass(kwargs, () => this.normalize(onlyTensor(inputs)));
  }

  override computeOutputShape(inputShape: tf.Shape | tf.Shape[]): tf.Shape {
    return firstShape(inputShape);
  }

  override getConfig(): tf.serialization.ConfigDict {
    return { ...super.getConfig(), epsilon: this.epsilon };
  }
}
