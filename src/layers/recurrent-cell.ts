/** What cells of recurrent layers share: how they are made, and how the host calls them. */
import * as tf from "@tensorflow/tfjs";
import type { ValueUse } from "../quant/make-quantizer.ts";
import type { Pass } from "../quant/pass.ts";
import type { Activation } from "./activation.ts";
import { QuantDense } from "./dense.ts";
import { type QuantOperation, QuantActivation, type QuantOperationArgs } from "./elementwise.ts";
import { valuesOf } from "./product.ts";
import { QuantLayer, type CallArgs, type QuantLayerArgs } from "./quant-layer.ts";

/** What squashes gates: `sigmoid` as PyTorch, or `hardSigmoid`, the default of tf.layers. */
export type GateActivation = "sigmoid" | "hardSigmoid";

/** States of a cell, [batch, units] each, in the order of its `stateNames`. */
export type CellStates = readonly tf.Tensor2D[];

export interface RecurrentCellArgs extends QuantLayerArgs {
  /** Width of the states and of the result. */
  readonly units: number;
  /** [default: sigmoid] */
  readonly recurrentActivation?: GateActivation;
  /** Weights start uniform in ± this [default: units^−½, as PyTorch]. */
  readonly initialRange?: number | null;
  /** The bias of the hidden state's map starts uniform in ± this [default: initialRange]. */
  readonly recurrentBiasRange?: number | null;
}

/**
 * A cell that runs over a whole sequence, or one step at a time under the host's `tf.layers.rnn`. There
 * weights are quantized at every step; in our own layers once for each pass.
 */
export abstract class RecurrentCell extends QuantLayer {
  readonly units: number;
  readonly recurrentActivation: GateActivation;
  readonly initialRange: number | null;
  readonly recurrentBiasRange: number | null;
  /** Names of the states; the first one is the result. */
  abstract readonly stateNames: readonly string[];

  constructor(args: RecurrentCellArgs) {
    super(args);
    this.units = args.units;
    this.recurrentActivation = args.recurrentActivation ?? "sigmoid";
    this.initialRange = args.initialRange ?? null;
    this.recurrentBiasRange = args.recurrentBiasRange ?? null;
  }

  /** Widths of the states: what makes this a cell for the host. */
  get stateSize(): number[] {
    return this.stateNames.map(() => this.units);
  }

  /**
   * Runs over a sequence.
   * @param x [time, batch, inputs], as {@link inputOperand} makes it
   * @param start states before the first step; null: zeros
   * @param wantsStates whether the states at all times are wanted
   * @returns outputs [time, batch, units] on the grid of the hidden state, as values; and the states
   *   at all times in the order of `stateNames`, or none
   */
  abstract run(
    x: tf.Tensor3D,
    start: CellStates | null,
    pass: Pass,
    wantsStates?: boolean,
  ): { outputs: tf.Tensor3D; states: tf.Tensor3D[] };

  /** The map of the inputs, which quantizes them. */
  protected abstract get inputProjection(): QuantDense;

  /** x on the grid of the cell's inputs, once for a whole sequence. */
  inputOperand(x: tf.Tensor3D, pass: Pass): tf.Tensor3D {
    return this.inputProjection.operand(x, pass) as tf.Tensor3D;
  }

  /** One of the two maps into gate sums. */
  protected projection(name: string, sizes: { inputs: number; outputs: number }): QuantDense {
    const isInput = name === "fc_gate_x";
    const range = this.initialRange ?? this.units ** -0.5;
    const layer = new QuantDense({
      ...this.sublayerArgs(name),
      units: sizes.outputs,
      quantizeInput: isInput,
      ...{ quantizeOutput: this.policy.roundsEach, outputUse: "elementwise" },
      kernelRange: range,
      biasRange: isInput ? range : (this.recurrentBiasRange ?? range),
    });
    layer.build([null, sizes.inputs]);
    return this.track(layer);
  }

  /** An elementwise operation. */
  protected operation<L extends QuantOperation>(
    name: string,
    layerClass: new (args: QuantOperationArgs) => L,
    quantizeOutput: boolean,
    outputUse: ValueUse = "elementwise",
  ): L {
    const args = { ...this.sublayerArgs(name), quantizeOutput, outputUse };
    const layer = new layerClass(args);
    layer.build([null, this.units]);
    return this.track(layer);
  }

  /** An activation; by itself it quantizes its input, which is a part of the gate sums. */
  protected activationLayer(name: string, activation: Activation, isGate = true): QuantActivation {
    const layer = new QuantActivation({
      ...this.sublayerArgs(name),
      activation,
      quantizeInput: isGate && !this.policy.roundsEach,
      quantizeOutput: this.policy.roundsEach,
      outputUse: "elementwise",
    });
    layer.build([null, this.units]);
    return this.track(layer);
  }

  /**
   * The hidden state of a sequence that starts without: zeros where the bias of its map is rounded with
   * the scale of the state, else null, as the product is 0.
   * @param sums [time, batch, …]
   */
  protected firstHidden(sums: tf.Tensor3D, pass: Pass): tf.Tensor2D | null {
    const roundsBias = this.policy.roundsEach && pass.products === "codes";
    return roundsBias ? tf.zeros([sums.shape[1], this.units]) : null;
  }

  /** Results of all steps, [batch, units] as products take them, as values [time, batch, units]. */
  protected stackHidden(hidden: readonly tf.Tensor2D[], pass: Pass): tf.Tensor3D {
    const all = tf.stack([...hidden]) as tf.Tensor3D;
    const grid = pass.grids.get(hidden.at(-1)!.dataId);
    if (grid === undefined) return all;
    pass.grids.set(all.dataId, grid);
    const values = valuesOf(all, pass);
    pass.grids.set(values.dataId, { ...grid, holdsCodes: false });
    return values;
  }

  /** One step under the host: the input and the states to the result and the states. */
  override call(inputs: tf.Tensor | tf.Tensor[], kwargs: CallArgs): tf.Tensor[] {
    const [x, ...states] = [inputs].flat() as [tf.Tensor2D, ...tf.Tensor2D[]];
    return this.inPass(kwargs, (pass) => {
      const operand = this.inputOperand(tf.expandDims<tf.Tensor3D>(x, 0), pass);
      const run = this.run(operand, states, pass, true);
      return [run.outputs, ...run.states].map((all) => tf.squeeze(all, [0]));
    });
  }

  override computeOutputShape(inputShape: tf.Shape | tf.Shape[]): tf.Shape {
    const [batch] = (Array.isArray(inputShape[0]) ? inputShape[0] : inputShape) as tf.Shape;
    return [batch ?? null, this.units];
  }

  override getConfig(): tf.serialization.ConfigDict {
    const { units, recurrentActivation, initialRange, recurrentBiasRange } = this;
    const start = { initialRange, recurrentBiasRange };
    return { ...super.getConfig(), units, recurrentActivation, ...start };
  }
}
