/** The stack of GNMT's encoder. */
import * as tf from "@tensorflow/tfjs";
import type { Pass } from "../quant/pass.ts";
import { EltwiseAdd } from "./elementwise.ts";
import { firstShape, lastWidth } from "./input-tensors.ts";
import { QuantLSTM } from "./lstm.ts";
import { atPositions, batchMajor, timeMajor } from "./positions.ts";
import { QuantLayer, type CallArgs, type QuantLayerArgs } from "./quant-layer.ts";

export interface GnmtStackArgs extends QuantLayerArgs {
  /** Width of all layers. */
  readonly units: number;
  /** Layers of the stack. */
  readonly numLayers: number;
  /** Dropout of the input of every LSTM [default: 0]. */
  readonly dropoutRate?: number;
  /** Weights start uniform in ± this [default: 0.1]. */
  readonly initialRange?: number;
}

/** What GNMT's two stacks share. */
export abstract class GnmtStack extends QuantLayer {
  readonly args: Required<Omit<GnmtStackArgs, keyof QuantLayerArgs>>;

  constructor(args: GnmtStackArgs) {
    super(args);
    const { units, numLayers, dropoutRate = 0, initialRange = 0.1 } = args;
    this.args = { units, numLayers, dropoutRate, initialRange };
  }

  /** One LSTM with GNMT's initial weights and dropout. */
  protected lstm(name: string, inputs: number, bidirectional = false): QuantLSTM {
    const { units, dropoutRate, initialRange } = this.args;
    const layer = new QuantLSTM({
      ...this.sublayerArgs(name),
      ...{ units, bidirectional, dropoutRate, dropsFirstInput: true },
      ...{ initialRange, recurrentBiasRange: 0 },
    });
    layer.build([null, null, inputs]);
    return this.track(layer);
  }

  /** The sum of a residual connection. */
  protected residual(index: number): EltwiseAdd {
    const args = this.sublayerArgs(`eltwiseadd_residuals/${index}`);
    const add = new EltwiseAdd({
      ...{ ...args, quantizeOutput: this.policy.roundsEach, outputUse: "elementwise" },
    });
    add.build([null, null, this.args.units]);
    return this.track(add);
  }

  override computeOutputShape(inputShape: tf.Shape | tf.Shape[]): tf.Shape {
    return [...firstShape(inputShape).slice(0, -1), this.args.units];
  }

  override getConfig(): tf.serialization.ConfigDict {
    return { ...super.getConfig(), ...this.args };
  }
}

/**
 * A bidirectional LSTM, an LSTM without, and LSTMs with a residual connection.
 * @see Wu et al. 2016, arXiv:1609.08144; sizes and residuals as in MLPerf's GNMT v2
 */
export class GnmtEncoder extends GnmtStack {
  static readonly className = "GnmtEncoder";
  #layers: QuantLSTM[] = [];
  #residuals: EltwiseAdd[] = [];

  override build(inputShape: tf.Shape | tf.Shape[]): void {
    const { units, numLayers } = this.args;
    const inputs = lastWidth(this.name, inputShape);
    this.#layers = Array.from({ length: numLayers }, (_, i) => {
      const width = i === 0 ? inputs : i === 1 ? 2 * units : units;
      return this.lstm(`rnn_layers/${i}`, width, i === 0);
    });
    this.#residuals = this.#layers.slice(2).map((_, i) => this.residual(i));
    this.addActivationQuantizer("output");
    super.build(inputShape);
  }

  /**
   * @param x [sourceTime, batch, units], embedded
   * @param lengths int32 [batch]; null: all real
   * @returns [batch, sourceTime, units] for use in products
   */
  encode(x: tf.Tensor3D, lengths: tf.Tensor1D | null, outerPass: Pass): tf.Tensor3D {
    const pass = atPositions(outerPass, () => timeMajor(lengths, x.shape[0]));
    const output = this.#layers.reduce((input, layer, i) => {
      // Only the direction from the end has to know where the end is.
      const run = i === 0 ? { lengths } : {};
      const { outputs } = layer.run(input, pass, run);
      const residual = this.#residuals[i - 2];
      return residual === undefined
        ? outputs
        : (residual.combine([outputs, input], pass) as tf.Tensor3D);
    }, x);
    const memory = tf.transpose<tf.Tensor3D>(output, [1, 0, 2]);
    const memoryPass = atPositions(outerPass, () => batchMajor(lengths, x.shape[0]));
    return this.quantOperand(memory, "output", memoryPass) as tf.Tensor3D;
  }

  /** Records that rows of an encoder's result lie on the grid of {@link encode}. */
  markRows(values: tf.Tensor3D, pass: Pass): tf.Tensor3D {
    return this.markOperand(values, "output", pass);
  }

  /** Under the host: [batch, time, units] to the same; nothing is padding. */
  override call(inputs: tf.Tensor | tf.Tensor[], kwargs: CallArgs): tf.Tensor {
    const [x] = [inputs].flat() as [tf.Tensor3D];
    return this.inPass<tf.Tensor>(kwargs, (pass) =>
      this.encode(tf.transpose(x, [1, 0, 2]), null, pass),
    );
  }
}
