/** The stack of a Transformer's encoder. */
import type * as tf from "@tensorflow/tfjs";
import type { Pass } from "../quant/pass.ts";
import type { Activation } from "./activation.ts";
import { SelfAttention, type Visibility } from "./attention.ts";
import { dropoutIn } from "./dropout.ts";
import { FeedForward } from "./feed-forward.ts";
import { firstShape, onlyTensor } from "./input-tensors.ts";
import { LayerNorm } from "./layer-norm.ts";
import { atPositions, batchMajor } from "./positions.ts";
import { PrePostWrapper } from "./pre-post-wrapper.ts";
import { QuantLayer, type CallArgs, type QuantLayerArgs } from "./quant-layer.ts";

/** Size, form and dropout of a stack. */
export interface StackArgs extends QuantLayerArgs {
  readonly numLayers: number;
  readonly hiddenSize: number;
  readonly numHeads: number;
  readonly filterSize: number;
  readonly activation: Activation;
  readonly attentionDropoutRate: number;
  readonly ffnDropoutRate: number;
  /** Dropout of the stack's input and of every sublayer's result. */
  readonly postprocessDropoutRate: number;
  readonly epsilon: number;
  readonly postNormalize: boolean;
}

export interface TransformerEncoderArgs extends StackArgs {
  /** True lets a position see only itself and earlier ones. */
  readonly monotonic: boolean;
}

/**
 * What both stacks share: wrapped sublayers, and a quantized result. Pre-norm stacks normalize and
 * quantize their result; post-norm stacks quantize their input instead, because their last wrapper
 * has done the rest.
 */
export abstract class TransformerStack extends QuantLayer {
  readonly args: StackArgs;
  #outputNorm: LayerNorm | null = null;

  constructor(args: StackArgs) {
    super(args);
    this.args = args;
  }

  override build(inputShape: tf.Shape | tf.Shape[]): void {
    if (this.args.postNormalize) {
      this.addActivationQuantizer("input");
    } else {
      const { epsilon, hiddenSize } = this.args;
      this.#outputNorm = this.track(new LayerNorm({ ...this.sublayerArgs("output_ln"), epsilon }));
      this.#outputNorm.build([hiddenSize]);
      this.addActivationQuantizer("output_ln");
    }
    super.build(inputShape);
  }

  /** A sublayer in its wrapper: `<stack>/layer_<i>/<name>_prepost_wrapper/<name>`. */
  protected wrapped<L extends QuantLayer>(
    index: number,
    name: string,
    make: (args: QuantLayerArgs & { name: string }) => L,
  ): PrePostWrapper<L> {
    const outer = this.sublayerArgs(`layer_${index}/${name}_prepost_wrapper`);
    const wrapper = new PrePostWrapper({
      ...outer,
      layer: make({ ...outer, name: `${outer.name}/${name}` }),
      dropoutRate: this.args.postprocessDropoutRate,
      epsilon: this.args.epsilon,
      postNormalize: this.args.postNormalize,
    });
    this.track(wrapper).build([this.args.hiddenSize]);
    return wrapper;
  }

  protected selfAttention(index: number): PrePostWrapper<SelfAttention> {
    const { numHeads, hiddenSize: units, attentionDropoutRate: dropoutRate } = this.args;
    return this.wrapped(index, "self_attention", (args) => {
      return new SelfAttention({ ...args, numHeads, units, dropoutRate });
    });
  }

  protected feedForward(index: number): PrePostWrapper<FeedForward> {
    const { filterSize, activation, ffnDropoutRate: dropoutRate } = this.args;
    return this.wrapped(index, "ffn", (args) => {
      return new FeedForward({ ...args, filterSize, activation, dropoutRate });
    });
  }

  /** The stack's input: on a grid in post-norm, dropped in training. */
  protected prepare(x: tf.Tensor, pass: Pass): tf.Tensor {
    const input = this.args.postNormalize ? this.quant(x, "input", pass) : x;
    return dropoutIn(input, this.args.postprocessDropoutRate, pass);
  }

  /** The stack's result, for use in products. */
  protected finish(x: tf.Tensor, pass: Pass): tf.Tensor {
    if (this.#outputNorm === null) return x;
    return this.quantOperand(this.#outputNorm.normalize(x), "output_ln", pass);
  }

  override computeOutputShape(inputShape: tf.Shape | tf.Shape[]): tf.Shape {
    return firstShape(inputShape);
  }

  override getConfig(): tf.serialization.ConfigDict {
    const { numLayers, hiddenSize, numHeads, filterSize, activation } = this.args;
    const { attentionDropoutRate, ffnDropoutRate, postprocessDropoutRate } = this.args;
    const { epsilon, postNormalize } = this.args;
    return {
      ...super.getConfig(),
      ...{ numLayers, hiddenSize, numHeads, filterSize, activation, epsilon, postNormalize },
      ...{ attentionDropoutRate, ffnDropoutRate, postprocessDropoutRate },
    };
  }
}

/** Self-attention and feed-forward, `numLayers` times. */
export class TransformerEncoder extends TransformerStack {
  static readonly className = "TransformerEncoder";
  readonly monotonic: boolean;
  #layers: { attention: PrePostWrapper<SelfAttention>; ffn: PrePostWrapper<FeedForward> }[] = [];

  constructor(args: TransformerEncoderArgs) {
    super(args);
    this.monotonic = args.monotonic;
  }

  override build(inputShape: tf.Shape | tf.Shape[]): void {
    this.#layers = Array.from({ length: this.args.numLayers }, (_, i) => ({
      attention: this.selfAttention(i),
      ffn: this.feedForward(i),
    }));
    super.build(inputShape);
  }

  /**
   * @param x [batch, time, hiddenSize], embedded
   * @param lengths int32 [batch], or null where nothing is padding
   * @returns [batch, time, hiddenSize], for use in products
   */
  encode(x: tf.Tensor, lengths: tf.Tensor1D | null, outerPass: Pass): tf.Tensor {
    const pass = atPositions(outerPass, () => batchMajor(lengths, x.shape[1]!));
    const visibility: Visibility = { keyLengths: lengths, causal: this.monotonic };
    let y = this.prepare(x, pass);
    for (const { attention, ffn } of this.#layers) {
      y = attention.wrap(y, (z) => attention.layer.attendToSelf(z, visibility, pass), pass);
      y = ffn.wrap(y, (z) => ffn.layer.transform(z, pass), pass);
    }
    return this.finish(y, pass);
  }

  /** Under the host: nothing is padding. */
  override call(inputs: tf.Tensor | tf.Tensor[], kwargs: CallArgs): tf.Tensor {
    return this.inPass(kwargs, (pass) => this.encode(onlyTensor(inputs), null, pass));
  }

  override getConfig(): tf.serialization.ConfigDict {
    return { ...super.getConfig(), monotonic: this.monotonic };
  }
}
