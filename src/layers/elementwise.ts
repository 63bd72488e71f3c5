/**
 * Elementwise operations, products of activations and concatenation as layers, so that each can be
 * observed, quantized and named in overrides.
 */
import * as tf from "@tensorflow/tfjs";
import { ShapeError } from "../errors.ts";
import { roundFloat16 } from "../ops/round-float16.ts";
import type { ValueUse } from "../quant/make-quantizer.ts";
import { type Pass, unwatched } from "../quant/pass.ts";
import { activate, type Activation } from "./activation.ts";
import { firstShape, onlyTensor } from "./input-tensors.ts";
import { product, valuesOf } from "./product.ts";
import { reportOperation } from "./report.ts";
import { QuantLayer, type CallArgs, type QuantLayerArgs } from "./quant-layer.ts";

/** Arguments of a layer without weights. */
export interface QuantOperationArgs extends QuantLayerArgs {
  /** False leaves the result in float, where another layer quantizes it [default: true]. */
  readonly quantizeOutput?: boolean;
  /**
   * Where the result goes: `elementwise` where it enters no product, so that it may have more than 8
   * bits; `cell` where it is an LSTM's cell state, with bits of its own [default: product].
   */
  readonly outputUse?: ValueUse;
}

/** An operation on one or more tensors whose result may be quantized. */
export abstract class QuantOperation extends QuantLayer {
  readonly quantizeOutput: boolean;
  readonly outputUse: ValueUse;
  /** Found out once: an operation may have no quantizer that would tell. */
  #isFloat16: boolean | undefined;

  constructor(args: QuantOperationArgs = {}) {
    super(args);
    this.quantizeOutput = args.quantizeOutput ?? true;
    this.outputUse = args.outputUse ?? "product";
  }

  override build(inputShape: tf.Shape | tf.Shape[]): void {
    if (this.quantizeOutput) this.addActivationQuantizer("output", "act", this.outputUse);
    // Overrides count as matched once they are asked for.
    this.#isFloat16 = this.isFloat16;
    super.build(inputShape);
  }

  /** The operation itself, without the quantizer. */
  protected abstract compute(inputs: readonly tf.Tensor[], pass: Pass): tf.Tensor;

  /**
   * @param inputs as the class says
   * @param told how many of the inputs watchers are told of, from the first [default: all]
   * @returns the result, quantized if `quantizeOutput`
   */
  combine(inputs: readonly tf.Tensor[], pass: Pass, told = inputs.length): tf.Tensor {
    const result = this.#run(inputs, pass);
    reportOperation(this.name, inputs.slice(0, told), result, pass);
    return this.quantizeOutput ? this.quant(result, "output", pass) : result;
  }

  /** {@link combine} for use in products alone: codes where the pass multiplies codes. */
  combineOperand(inputs: readonly tf.Tensor[], pass: Pass): tf.Tensor {
    const result = this.#run(inputs, pass);
    reportOperation(this.name, inputs, result, pass);
    return this.quantizeOutput ? this.quantOperand(result, "output", pass) : result;
  }

  /** The operation; where it runs in half precision, of rounded inputs to a rounded result. */
  #run(inputs: readonly tf.Tensor[], pass: Pass): tf.Tensor {
    if (!this.isFloat16 || pass.skipQuantization === true) return this.compute(inputs, pass);
    const rounded = inputs.map((x) => roundFloat16(valuesOf(x, pass)));
    return roundFloat16(this.compute(rounded, pass));
  }

  override get isFloat16(): boolean {
    const path = `${this.name}/output`;
    this.#isFloat16 ??= this.quantizeOutput
      ? this.policy.for(path)?.floatBits === 16
      : this.policy.runsInFloat16(path);
    return this.#isFloat16;
  }

  override get float16Places(): readonly string[] {
    const own = this.isFloat16 ? [`${this.name}/output`] : [];
    return [...new Set([...super.float16Places, ...own])];
  }

  protected override isReported(): boolean {
    return true;
  }

  /** An earlier result, or what stands for one, on the grid of results; not seen by watchers. */
  requantize<T extends tf.Tensor>(x: T, pass: Pass): T {
    return (this.quantizeOutput ? this.quant(x, "output", unwatched(pass)) : x) as T;
  }

  /** {@link requantize} for use in products alone. */
  requantizeOperand<T extends tf.Tensor>(x: T, pass: Pass): T {
    return (this.quantizeOutput ? this.quantOperand(x, "output", unwatched(pass)) : x) as T;
  }

  /** Records that a result made elsewhere is what {@link combineOperand} would return. */
  markOutput<T extends tf.Tensor>(x: T, pass: Pass): T {
    return this.quantizeOutput ? this.markOperand(x, "output", pass) : x;
  }

  override call(inputs: tf.Tensor | tf.Tensor[], kwargs: CallArgs): tf.Tensor {
    return this.inPass(kwargs, (pass) => this.combine([inputs].flat(), pass));
  }

  override getConfig(): tf.serialization.ConfigDict {
    const { quantizeOutput, outputUse } = this;
    return { ...super.getConfig(), quantizeOutput, outputUse };
  }
}

/** a + b + …, elements of two tensors of one shape or more, added from left to right. */
export class EltwiseAdd extends QuantOperation {
  static readonly className = "EltwiseAdd";

  protected compute(inputs: readonly tf.Tensor[]): tf.Tensor {
    return several(this.name, inputs).reduce((sum, x) => tf.add(sum, x));
  }

  override computeOutputShape(inputShape: tf.Shape | tf.Shape[]): tf.Shape {
    return firstShape(inputShape);
  }
}

/** a · b · …, elements of two tensors of one shape or more, multiplied from left to right. */
export class EltwiseMult extends QuantOperation {
  static readonly className = "EltwiseMult";

  protected compute(inputs: readonly tf.Tensor[]): tf.Tensor {
    return several(this.name, inputs).reduce((result, x) => tf.mul(result, x));
  }

  override computeOutputShape(inputShape: tf.Shape | tf.Shape[]): tf.Shape {
    return firstShape(inputShape);
  }
}

/** a·b of activations: [..., m, k] and [..., k, n], with equal leading axes. */
export class BatchMatmul extends QuantOperation {
  static readonly className: string = "BatchMatmul";

  protected compute(inputs: readonly tf.Tensor[], pass: Pass): tf.Tensor {
    const [a, b] = several(this.name, inputs) as [tf.Tensor, tf.Tensor];
    return product(a, b, { name: `${this.name}/product`, pass });
  }

  override computeOutputShape(inputShape: tf.Shape | tf.Shape[]): tf.Shape {
    const [a, b] = inputShape as [tf.Shape, tf.Shape];
    return [...a.slice(0, -1), b.at(-1)!];
  }
}

/** a·b of two matrices of activations: [m, k] and [k, n]. */
export class Matmul extends BatchMatmul {
  static override readonly className = "Matmul";
}

/** Tensors side by side along the last axis. */
export class Concat extends QuantOperation {
  static readonly className = "Concat";

  protected compute(inputs: readonly tf.Tensor[]): tf.Tensor {
    return tf.concat([...several(this.name, inputs)], -1);
  }

  override computeOutputShape(inputShape: tf.Shape | tf.Shape[]): tf.Shape {
    const shapes = inputShape as tf.Shape[];
    const width = shapes.reduce((sum, shape) => sum + shape.at(-1)!, 0);
    return [...shapes[0]!.slice(0, -1), width];
  }
}

/** Arguments of {@link QuantActivation}. */
export interface QuantActivationArgs extends QuantOperationArgs {
  readonly activation: Activation;
  /** True quantizes x, where no layer before does [default: false]. */
  readonly quantizeInput?: boolean;
}

/** activation(x), element by element. */
export class QuantActivation extends QuantOperation {
  static readonly className = "QuantActivation";
  readonly activation: Activation;
  readonly quantizeInput: boolean;

  constructor(args: QuantActivationArgs) {
    super(args);
    this.activation = args.activation;
    this.quantizeInput = args.quantizeInput ?? false;
  }

  override build(inputShape: tf.Shape | tf.Shape[]): void {
    if (this.quantizeInput) this.addActivationQuantizer("input", "act", "elementwise");
    super.build(inputShape);
  }

  protected compute(inputs: readonly tf.Tensor[], pass: Pass): tf.Tensor {
    const x = onlyTensor([...inputs]);
    return activate(this.quantizeInput ? this.quant(x, "input", pass) : x, this.activation);
  }

  override computeOutputShape(inputShape: tf.Shape | tf.Shape[]): tf.Shape {
    return firstShape(inputShape);
  }

  override getConfig(): tf.serialization.ConfigDict {
    const { activation, quantizeInput } = this;
    return { ...super.getConfig(), activation, quantizeInput };
  }
}

function several(where: string, inputs: readonly tf.Tensor[]): readonly tf.Tensor[] {
  if (inputs.length >= 2) return inputs;
  throw new ShapeError(
    `${where}: expected 2 tensors or more, received ${inputs.length}. Pass a list of tensors.`,
  );
}
