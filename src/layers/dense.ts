/** A dense layer with a quantized kernel. */
import * as tf from "@tensorflow/tfjs";
import type { ValueUse } from "../quant/make-quantizer.ts";
import { asksPositions, type Pass } from "../quant/pass.ts";
import { roundFloat16 } from "../ops/round-float16.ts";
import { activate, type Activation } from "./activation.ts";
import { glorotUniform, type Initializer, uniform } from "./initial-weights.ts";
import { asRows, firstShape, lastWidth, onlyTensor } from "./input-tensors.ts";
import { cachedColumns, type Columns } from "./pass-cache.ts";
import { biasOf, linearProduct } from "./product.ts";
import { reportOperation } from "./report.ts";
import { QuantLayer, type CallArgs, type QuantLayerArgs } from "./quant-layer.ts";

export interface QuantDenseArgs extends QuantLayerArgs {
  /** Width of the last output axis. */
  readonly units: number;
  /** [default: linear] */
  readonly activation?: Activation;
  /** False leaves the result in float, where another layer quantizes it [default: true]. */
  readonly quantizeOutput?: boolean;
  /** `elementwise` where the result enters no product, which allows for more bits [default: product]. */
  readonly outputUse?: Exclude<ValueUse, "cell">;
  /** True quantizes x as well, where no layer before does [default: false]. */
  readonly quantizeInput?: boolean;
  /** [default: true] */
  readonly useBias?: boolean;
  /** The kernel starts uniform in ± this [default: Glorot's range]. */
  readonly kernelRange?: number | null;
  /** The bias starts uniform in ± this [default: 0]. */
  readonly biasRange?: number;
}

/**
 * activation(x·kernel + bias) over the last axis; quantizes the kernel and the result, and x where
 * it is asked to.
 */
export class QuantDense extends QuantLayer {
  static readonly className = "QuantDense";
  readonly units: number;
  readonly activation: Activation;
  readonly quantizeOutput: boolean;
  readonly outputUse: Exclude<ValueUse, "cell">;
  readonly quantizeInput: boolean;
  readonly useBias: boolean;
  readonly kernelRange: number | null;
  readonly biasRange: number;
  #kernel!: tf.LayerVariable;
  #bias: tf.LayerVariable | null = null;

  constructor(args: QuantDenseArgs) {
    super(args);
    this.units = args.units;
    this.activation = args.activation ?? "linear";
    this.quantizeOutput = args.quantizeOutput ?? true;
    this.outputUse = args.outputUse ?? "product";
    this.quantizeInput = args.quantizeInput ?? false;
    this.useBias = args.useBias ?? true;
    this.kernelRange = args.kernelRange ?? null;
    this.biasRange = args.biasRange ?? 0;
  }

  override build(inputShape: tf.Shape | tf.Shape[]): void {
    const shape = [lastWidth(this.name, inputShape), this.units];
    this.#kernel = this.addWeight("kernel", shape, "float32", this.#kernelInitializer());
    if (this.useBias) {
      const initializer =
        this.biasRange === 0
          ? tf.initializers.zeros()
          : uniform(this.biasRange, this.seed, `${this.name}/bias`);
      this.#bias = this.addWeight("bias", [this.units], "float32", initializer);
    }
    if (this.quantizeInput) this.addActivationQuantizer("input");
    if (this.quantizeOutput) {
      this.addActivationQuantizer("output", this.activation, this.outputUse);
    }
    super.build(inputShape);
  }

  #kernelInitializer(): Initializer {
    const name = `${this.name}/kernel`;
    const { kernelRange: range, seed } = this;
    return range === null ? glorotUniform(seed, name) : uniform(range, seed, name);
  }

  /** @param x [..., inputs] @returns [..., units]; quantized if `quantizeOutput` */
  transform(x: tf.Tensor, pass: Pass): tf.Tensor {
    return this.transformOperand(this.operand(x, pass), pass);
  }

  /** x for use in {@link transformOperand}: on its grid if `quantizeInput`, else x itself. */
  operand(x: tf.Tensor, pass: Pass): tf.Tensor {
    return this.quantizeInput ? this.quantOperand(x, "input", pass) : x;
  }

  /**
   * {@link transform} of what {@link operand} made, or of a dropped-out one.
   * @param columns which of the units are wanted; null: all
   */
  transformOperand(x: tf.Tensor, pass: Pass, columns: Columns | null = null): tf.Tensor {
    const { kernel, bias } = this.#weights(pass, columns);
    const options = {
      name: `${this.name}/product`,
      pass,
      accumulator: this.accumulatorRules(this.#kernel),
    };
    const rows = linearProduct(asRows(x, pass), kernel, bias, options);
    const shape = [...x.shape.slice(0, -1), rows.shape[1]];
    const y = tf.reshape(activate(rows, this.activation), shape);
    reportOperation(this.name, [x], y, pass);
    return this.#leave(y, pass);
  }

  /** y on the grid of results, rounded to half precision before where the kernel is in it. */
  #leave(y: tf.Tensor, pass: Pass): tf.Tensor {
    const isHalf = this.isFloat16 && pass.skipQuantization !== true;
    const hasHalfKernel = isHalf && this.float16Places.includes(`${this.name}/kernel`);
    const result = hasHalfKernel ? roundFloat16(y) : y;
    return this.quantizeOutput ? this.quant(result, "output", pass) : result;
  }

  protected override isReported(): boolean {
    return true;
  }

  #weights(pass: Pass, columns: Columns | null): { kernel: tf.Tensor2D; bias: tf.Tensor1D | null } {
    const kernel = this.weightOperand(this.#kernel, pass) as tf.Tensor2D;
    const { bias } = this;
    if (columns === null) return { kernel, bias };
    const { begin, end } = columns;
    return {
      kernel: cachedColumns(kernel, this.#kernel.name, columns, pass),
      bias: bias === null ? null : tf.slice(bias, begin, end - begin),
    };
  }

  /**
   * The result for `count` rows of zeros, quantized if `quantizeOutput`: [units] for all of them, or
   * [count, units] where somebody sees rows.
   */
  ofZeros(count: number, pass: Pass): tf.Tensor {
    const { bias } = this;
    const kernel = this.weightOperand(this.#kernel, pass);
    const sums = bias === null ? tf.zeros([this.units]) : biasOf(bias, kernel, pass);
    let y = activate<tf.Tensor>(sums, this.activation);
    if (asksPositions(pass)) y = tf.tile(tf.reshape(y, [1, this.units]), [count, 1]);
    reportOperation(this.name, [], y, pass);
    return this.#leave(y, pass);
  }

  /** [units], or null without bias. */
  get bias(): tf.Tensor1D | null {
    return (this.#bias?.read() ?? null) as tf.Tensor1D | null;
  }

  /** [inputs, units] on its grid, as values; made once for each pass. */
  kernelValues(pass: Pass): tf.Tensor2D {
    return this.quantWeight(this.#kernel, pass) as tf.Tensor2D;
  }

  override call(inputs: tf.Tensor | tf.Tensor[], kwargs: CallArgs): tf.Tensor {
    return this.inPass(kwargs, (pass) => this.transform(onlyTensor(inputs), pass));
  }

  override computeOutputShape(inputShape: tf.Shape | tf.Shape[]): tf.Shape {
    return [...firstShape(inputShape).slice(0, -1), this.units];
  }

  override getConfig(): tf.serialization.ConfigDict {
    const { units, activation, quantizeOutput, quantizeInput, useBias } = this;
    const { outputUse, kernelRange, biasRange } = this;
    const start = { outputUse, kernelRange, biasRange };
    return {
      ...super.getConfig(),
      ...{ units, activation, quantizeOutput, quantizeInput, useBias, ...start },
    };
  }
}
