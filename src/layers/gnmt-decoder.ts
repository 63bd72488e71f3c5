/** The stack of GNMT's decoder. */
import * as tf from "@tensorflow/tfjs";
import type { Pass } from "../quant/pass.ts";
import { type AttendedMemory, BahdanauAttention } from "./bahdanau-attention.ts";
import { QuantDense } from "./dense.ts";
import { Concat, type EltwiseAdd } from "./elementwise.ts";
import { GnmtStack, type GnmtStackArgs } from "./gnmt-encoder.ts";
import { lastWidth } from "./input-tensors.ts";
import type { QuantLSTM } from "./lstm.ts";
import { atPositions, batchMajor, flatRows, timeMajor } from "./positions.ts";
import type { CallArgs } from "./quant-layer.ts";
import type { CellStates } from "./recurrent-cell.ts";

export interface GnmtDecoderArgs extends GnmtStackArgs {
  readonly vocabSize: number;
}

/** What a run of the decoder returns. */
export interface GnmtDecoded {
  /** [batch · time, vocabSize]. */
  readonly logits: tf.Tensor2D;
  /** [batch, time, sourceTime]: how each position looks at the source. */
  readonly attention: tf.Tensor3D;
  /** Of each LSTM after the last step; none unless wanted. */
  readonly states: CellStates[];
}

/** States before a run, and whether those after it are wanted. */
export interface GnmtRun {
  readonly start?: readonly CellStates[] | null;
  readonly wantsStates?: boolean;
}

/**
 * An LSTM whose results are the queries of the attention; LSTMs over the result before and the context
 * side by side, from the second of them on with a residual connection; the classifier.
 */
export class GnmtDecoder extends GnmtStack {
  static readonly className = "GnmtDecoder";
  readonly vocabSize: number;
  #attRnn!: QuantLSTM;
  #attention!: BahdanauAttention;
  #layers: QuantLSTM[] = [];
  #concats: Concat[] = [];
  #residuals: EltwiseAdd[] = [];
  #classifier!: QuantDense;

  constructor(args: GnmtDecoderArgs) {
    super(args);
    this.vocabSize = args.vocabSize;
  }

  override build(inputShape: tf.Shape | tf.Shape[]): void {
    const { units, numLayers, initialRange } = this.args;
    this.#attRnn = this.lstm("att_rnn/rnn", lastWidth(this.name, inputShape));
    const attention = { ...this.sublayerArgs("att_rnn/attn"), units, initialRange };
    this.#attention = this.track(new BahdanauAttention(attention));
    this.#attention.build([null, null, units]);
    const others = Array.from({ length: numLayers - 1 }, (_, i) => i);
    this.#layers = others.map((i) => this.lstm(`rnn_layers/${i}`, 2 * units));
    this.#concats = others.map((i) => this.#concat(i));
    this.#residuals = others.slice(1).map((_, i) => this.residual(i));
    this.#classifier = this.track(
      new QuantDense({
        ...this.sublayerArgs("classifier/classifier"),
        units: this.vocabSize,
        quantizeInput: true,
        ...{ quantizeOutput: this.policy.roundsEach, outputUse: "elementwise" },
        ...{ kernelRange: initialRange, biasRange: initialRange },
      }),
    );
    this.#classifier.build([null, units]);
    super.build(inputShape);
  }

  #concat(index: number): Concat {
    const args = this.sublayerArgs(`eltwiseconcats/${index}`);
    const concat = this.track(
      new Concat({
        ...{ ...args, quantizeOutput: this.policy.roundsEach, outputUse: "elementwise" },
      }),
    );
    concat.build([null, null, this.args.units]);
    return concat;
  }

  /** The keys of a memory. @param values [batch, sourceTime, units], the encoder's result */
  keysOf(values: tf.Tensor3D, pass: Pass): tf.Tensor3D {
    return this.#attention.keysOf(values, pass);
  }

  /** States of all LSTMs before the first step: zeros. */
  zeroStates(rows: number): CellStates[] {
    return [this.#attRnn, ...this.#layers].flatMap((layer) => layer.zeroStates(rows));
  }

  /**
   * @param x [time, batch, units], embedded
   * @param memory of the same batch
   */
  decode(x: tf.Tensor3D, memory: AttendedMemory, outerPass: Pass, run: GnmtRun = {}): GnmtDecoded {
    const { start = null, wantsStates = false } = run;
    const lengths = outerPass.targetLengths ?? null;
    const pass = atPositions(outerPass, () => timeMajor(lengths, x.shape[0]));
    const batchPass = atPositions(outerPass, () => batchMajor(lengths, x.shape[0], 2));
    const states: CellStates[] = [];
    const through = (layer: QuantLSTM, input: tf.Tensor3D, at: number): tf.Tensor3D => {
      const before = start === null ? null : [start[at]!];
      const result = layer.run(input, pass, { start: before, wantsStates });
      states.push(...result.states);
      return result.outputs;
    };
    const r = through(this.#attRnn, x, 0);
    const queries = swapped(this.#attention.queriesOf(r, pass));
    const attended = this.#attention.attend(queries, memory, batchPass);
    const context = swapped(attended.context);
    const output = this.#layers.reduce((input, layer, i) => {
      const both = this.#concats[i]!.combine([input, context], pass) as tf.Tensor3D;
      const result = through(layer, both, i + 1);
      return i === 0
        ? result
        : (this.#residuals[i - 1]!.combine([result, input], pass) as tf.Tensor3D);
    }, r);
    const rows = tf.reshape<tf.Rank.R2>(swapped(output), [-1, this.args.units]);
    const rowPass = atPositions(batchPass, () => flatRows(batchPass.positions!));
    const logits = this.#classifier.transform(rows, rowPass) as tf.Tensor2D;
    return { logits, attention: attended.probabilities, states };
  }

  /** Under the host: inputs are x and the memory; nothing is padding. */
  override call(inputs: tf.Tensor | tf.Tensor[], kwargs: CallArgs): tf.Tensor {
    const [x, values] = [inputs].flat() as [tf.Tensor3D, tf.Tensor3D];
    return this.inPass<tf.Tensor>(kwargs, (pass) => {
      const memory = { values, keys: this.keysOf(values, pass), lengths: null };
      const { logits } = this.decode(swapped(x), memory, pass);
      return tf.reshape(logits, [x.shape[0], x.shape[1], this.vocabSize]);
    });
  }

  override computeOutputShape(inputShape: tf.Shape | tf.Shape[]): tf.Shape {
    return [...super.computeOutputShape(inputShape).slice(0, -1), this.vocabSize];
  }

  override getConfig(): tf.serialization.ConfigDict {
    return { ...super.getConfig(), vocabSize: this.vocabSize };
  }
}

/** [a, b, …] as [b, a, …]. */
function swapped(x: tf.Tensor3D): tf.Tensor3D {
  return tf.transpose(x, [1, 0, 2]);
}
