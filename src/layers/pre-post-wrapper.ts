/** The residual connection, dropout and layer normalization around a Transformer sublayer. */
import * as tf from "@tensorflow/tfjs";
import type { Pass } from "../quant/pass.ts";
import { dropoutIn } from "./dropout.ts";
import { firstShape, lastWidth } from "./input-tensors.ts";
import { LayerNorm } from "./layer-norm.ts";
import { QuantLayer, type CallArgs, type QuantLayerArgs } from "./quant-layer.ts";

export interface PrePostWrapperArgs<L extends QuantLayer> extends QuantLayerArgs {
  /** The wrapped layer; tracked by the wrapper. */
  readonly layer: L;
  /** Dropout of the sublayer's result [default: 0]. */
  readonly dropoutRate?: number;
  /** ε of the layer normalization [default: 1e-6]. */
  readonly epsilon?: number;
  /** True normalizes the sum, false the sublayer's input [default: false]. */
  readonly postNormalize?: boolean;
}

/**
 * Pre-norm: x + dropout(layer(quant(norm(x)))). Post-norm: quant(norm(x + dropout(layer(x)))). So
 * in both the wrapped layer's products find their input on a grid.
 */
export class PrePostWrapper<L extends QuantLayer = QuantLayer> extends QuantLayer {
  static readonly className = "PrePostProcessingWrapper";
  readonly layer: L;
  readonly dropoutRate: number;
  readonly epsilon: number;
  readonly postNormalize: boolean;
  #norm!: LayerNorm;

  constructor(args: PrePostWrapperArgs<L>) {
    super(args);
    this.layer = this.track(args.layer);
    this.dropoutRate = args.dropoutRate ?? 0;
    this.epsilon = args.epsilon ?? 1e-6;
    this.postNormalize = args.postNormalize ?? false;
  }

  override build(inputShape: tf.Shape | tf.Shape[]): void {
    const width = lastWidth(this.name, inputShape);
    this.#norm = this.track(new LayerNorm({ ...this.sublayerArgs("ln"), epsilon: this.epsilon }));
    this.#norm.build([width]);
    this.addActivationQuantizer("ln");
    if (!this.layer.built) this.layer.build(inputShape);
    super.build(inputShape);
  }

  /** @param x [..., width] @param inner the sublayer's function @returns shape of x */
  wrap(x: tf.Tensor, inner: (y: tf.Tensor) => tf.Tensor, pass: Pass): tf.Tensor {
    if (this.postNormalize) {
      const sum = tf.add(x, dropoutIn(inner(x), this.dropoutRate, pass));
      return this.quant(this.#norm.normalize(sum), "ln", pass);
    }
    const normalized = this.quantOperand(this.#norm.normalize(x), "ln", pass);
    return tf.add(x, dropoutIn(inner(normalized), this.dropoutRate, pass));
  }

  override call(inputs: tf.Tensor | tf.Tensor[], kwargs: CallArgs): tf.Tensor {
    const [x, ...others] = [inputs].flat() as [tf.Tensor, ...tf.Tensor[]];
    return this.inPass(kwargs, (pass) => {
      const inner = (y: tf.Tensor): tf.Tensor =>
        this.layer.call(others.length === 0 ? y : [y, ...others], { pass }) as tf.Tensor;
      return this.wrap(x, inner, pass);
    });
  }

  override computeOutputShape(inputShape: tf.Shape | tf.Shape[]): tf.Shape {
    return firstShape(inputShape);
  }

  override getConfig(): tf.serialization.ConfigDict {
    const { dropoutRate, epsilon, postNormalize } = this;
    const layer = { className: this.layer.getClassName(), config: this.layer.getConfig() };
    return { ...super.getConfig(), layer, dropoutRate, epsilon, postNormalize };
  }

  static override fromConfig<T extends tf.serialization.Serializable>(
    cls: tf.serialization.SerializableConstructor<T>,
    config: tf.serialization.ConfigDict,
  ): T {
    const saved = config["layer"] as { className: string; config: tf.serialization.ConfigDict };
    const [layerClass, fromConfig] =
      tf.serialization.SerializationMap.getMap().classNameMap[saved.className]!;
    return new cls({ ...config, layer: fromConfig(layerClass, saved.config) });
  }
}
