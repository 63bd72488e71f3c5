/** Normalised additive attention, made of named operations as Distiller names them. */
import * as tf from "@tensorflow/tfjs";
import { additiveScores } from "../ops/additive-scores.ts";
import { attentionSoftmax } from "../ops/attention-softmax.ts";
import { tanh } from "../ops/gate-activations.ts";
import { vectorNorm } from "../ops/vector-norm.ts";
import { isWatched, type Pass, type Positions } from "../quant/pass.ts";
import { ClipQuantizer } from "../quant/quantizers.ts";
import { QuantDense } from "./dense.ts";
import { EltwiseAdd } from "./elementwise.ts";
import { uniform } from "./initial-weights.ts";
import { lastWidth } from "./input-tensors.ts";
import { atPositions, seenScores } from "./positions.ts";
import { product } from "./product.ts";
import { reportInput, reportOperation } from "./report.ts";
import { QuantLayer, type CallArgs, type QuantLayerArgs } from "./quant-layer.ts";

export interface BahdanauAttentionArgs extends QuantLayerArgs {
  /** Width of queries, keys and the space in which they are compared. */
  readonly units: number;
  /** Weights start uniform in ± this [default: units^−½]. */
  readonly initialRange?: number | null;
}

/** What queries look at. */
export interface AttendedMemory {
  /** [batch, sourceTime, units], for use in products: the context is made of it. */
  readonly values: tf.Tensor3D;
  /** [batch, sourceTime, units]: linear_k of the values. */
  readonly keys: tf.Tensor3D;
  /** int32 [batch]; null: all real. */
  readonly lengths: tf.Tensor1D | null;
}

/** A context and how it came about. */
export interface AttendedContext {
  /** [batch, time, units]. */
  readonly context: tf.Tensor3D;
  /** [batch, time, sourceTime], float; 0 on padding. */
  readonly probabilities: tf.Tensor3D;
}

/**
 * q = r·kernel_q, k = values·kernel_k; score(t, s) = (g/‖v‖)·Σ v·tanh((q_t + k_s) + β);
 * context = softmax over real s (score)·values. In quantized models the tangents and v are codes in the
 * sum, the probabilities and the values in the context's.
 * @see Bahdanau et al. 2015, arXiv:1409.0473; normalised as in Luong et al. 2017 (TensorFlow NMT)
 */
export class BahdanauAttention extends QuantLayer {
  static readonly className = "BahdanauAttention";
  readonly units: number;
  readonly initialRange: number | null;
  #linearQ!: QuantDense;
  #linearK!: QuantDense;
  #addQk!: EltwiseAdd;
  #addBias!: EltwiseAdd;
  #linearAtt!: tf.LayerVariable;
  #scaler!: tf.LayerVariable;
  #bias!: tf.LayerVariable;

  constructor(args: BahdanauAttentionArgs) {
    super(args);
    this.units = args.units;
    this.initialRange = args.initialRange ?? null;
  }

  override build(inputShape: tf.Shape | tf.Shape[]): void {
    const { units } = this;
    const shapes = Array.isArray(inputShape[0]) ? (inputShape as tf.Shape[]) : [inputShape];
    this.#linearQ = this.#linear("linear_q", lastWidth(this.name, shapes[0] as tf.Shape));
    this.#linearK = this.#linear("linear_k", lastWidth(this.name, shapes.at(-1) as tf.Shape));
    this.#addQk = this.#add("eltwiseadd_qk");
    this.#addBias = this.#add("eltwiseadd_norm_bias");
    const start = uniform(this.#range, this.seed, `${this.name}/linear_att`);
    this.#linearAtt = this.addWeight("linear_att", [units], "float32", start);
    const scale = tf.initializers.constant({ value: units ** -0.5 });
    this.#scaler = this.addWeight("normalize_scalar", [1], "float32", scale);
    this.#bias = this.addWeight("normalize_bias", [units], "float32", tf.initializers.zeros());
    this.addActivationQuantizer("tanh");
    const { roundsEach } = this.policy;
    if (roundsEach) this.addActivationQuantizer("matmul_score", "act", "elementwise");
    this.addActivationQuantizer("softmax_att", "softmax");
    if (roundsEach) this.addActivationQuantizer("context_matmul", "act", "elementwise");
    super.build(inputShape);
  }

  /** The scalar and the bias stay float, as they are added and multiplied, not summed over. */
  protected override quantizesWeight(name: string): boolean {
    return name === "linear_att";
  }

  get #range(): number {
    return this.initialRange ?? this.units ** -0.5;
  }

  #linear(name: string, inputs: number): QuantDense {
    const layer = new QuantDense({
      ...this.sublayerArgs(name),
      units: this.units,
      useBias: false,
      ...{ quantizeOutput: this.policy.roundsEach, outputUse: "elementwise" },
      kernelRange: this.#range,
    });
    layer.build([null, inputs]);
    return this.track(layer);
  }

  #add(name: string): EltwiseAdd {
    const add = new EltwiseAdd({
      ...this.sublayerArgs(name),
      quantizeOutput: this.policy.roundsEach,
    });
    add.build([null, this.units]);
    return this.track(add);
  }

  /** linear_k(values), once for a memory. @param values [..., units], on their grid */
  keysOf<T extends tf.Tensor>(values: T, pass: Pass): T {
    const keys = this.#linearK.transform(values, pass) as T;
    if (pass.onOperation !== undefined) this.#reportMemory(values, keys, pass);
    return keys;
  }

  /** What stays the same for every query is told once for a memory, not once for each step. */
  #reportMemory(values: tf.Tensor, keys: tf.Tensor, pass: Pass): void {
    reportInput(`${this.name}/context_matmul`, 1, values, pass);
    reportInput(`${this.name}/eltwiseadd_qk`, 1, keys, pass);
    const all = { ...pass, positions: null };
    const direction = this.quantWeight(this.#linearAtt, pass);
    const unit = tf.div(direction, vectorNorm(direction as tf.Tensor1D));
    const scaler = this.#scaler.read();
    const scaled = tf.mul(unit, scaler);
    reportOperation(`${this.name}/eltwisemul_norm_scaler`, [unit, scaler], scaled, all);
    reportInput(`${this.name}/matmul_score`, 1, scaled, all);
  }

  /** linear_q(r). @param r [..., units], on its grid */
  queriesOf<T extends tf.Tensor>(r: T, pass: Pass): T {
    return this.#linearQ.transform(r, pass) as T;
  }

  /** @param queries [batch, time, units], of {@link queriesOf} */
  attend(queries: tf.Tensor3D, memory: AttendedMemory, pass: Pass): AttendedContext {
    const scorePass = atPositions(pass, () => seenPairs(pass, queries, memory));
    const scores = this.#scores(queries, memory.keys, scorePass);
    const probabilities = tf.squeeze<tf.Tensor3D>(
      attentionSoftmax(tf.expandDims<tf.Tensor4D>(scores, 1), memory.lengths, false),
      [1],
    );
    reportOperation(`${this.name}/softmax_att`, [scores], probabilities, scorePass);
    const weights = this.quantOperand(probabilities, "softmax_att", scorePass);
    const context = this.#contextOf(weights, memory.values, scorePass);
    reportInput(`${this.name}/context_matmul`, 0, probabilities, scorePass);
    reportOperation(`${this.name}/context_matmul`, [], context, pass);
    return {
      context: (this.policy.roundsEach
        ? this.quant(context, "context_matmul", pass)
        : context) as tf.Tensor3D,
      probabilities,
    };
  }

  #contextOf(weights: tf.Tensor, values: tf.Tensor3D, pass: Pass): tf.Tensor3D {
    const name = `${this.name}/context_matmul`;
    return product(weights, values, { name, pass }) as tf.Tensor3D;
  }

  protected override isReported(): boolean {
    return true;
  }

  /** [batch, time, sourceTime]. */
  #scores(queries: tf.Tensor3D, keys: tf.Tensor3D, pass: Pass): tf.Tensor3D {
    const bias = this.#bias.read() as tf.Tensor1D;
    const weights = this.quantWeight(this.#linearAtt, pass) as tf.Tensor1D;
    const factor = tf.div(this.#scaler.read(), vectorNorm(weights));
    const quantizer = this.quantizers.get("tanh") ?? null;
    const isHalf =
      pass.float16.has(weights.dataId) || this.#addQk.isFloat16 || this.#addBias.isFloat16;
    const isWhole = !isWatched(pass) && !this.policy.roundsEach && !isHalf;
    const takesClip = quantizer instanceof ClipQuantizer && pass.products === "values";
    if (isWhole && (quantizer === null || takesClip)) {
      const clip = quantizer?.clip?.read() ?? null;
      const spec = quantizer?.spec ?? FLOAT_TANGENTS;
      return tf.mul(additiveScores({ queries, keys, bias, weights, clip }, spec), factor);
    }
    const pairs = [tf.expandDims(queries, 2), tf.expandDims(keys, 1)];
    const pairSums = this.#addQk.combine(pairs, pass, 1);
    const sums = this.#addBias.combine([pairSums, bias], pass);
    const squashed = tanh(sums);
    reportOperation(`${this.name}/tanh`, [sums], squashed, pass);
    const tangents = this.quantOperand(squashed, "tanh", pass);
    const [batch, time, sourceTime] = tangents.shape as [number, number, number];
    const rows: tf.Tensor2D = tf.reshape(tangents, [batch * time * sourceTime, this.units]);
    const column = this.#column(pass);
    const name = `${this.name}/matmul_score`;
    const sum = product(this.markOperand(rows, "tanh", pass), column, { name, pass });
    const scores = tf.mul(tf.reshape<tf.Rank.R3>(sum, [batch, time, sourceTime]), factor);
    reportOperation(`${this.name}/matmul_score`, [squashed], scores, pass);
    return (
      this.policy.roundsEach ? this.quant(scores, "matmul_score", pass) : scores
    ) as tf.Tensor3D;
  }

  /** v as a matrix [units, 1], on its grid. */
  #column(pass: Pass): tf.Tensor2D {
    const weights = this.weightOperand(this.#linearAtt, pass);
    const column: tf.Tensor2D = tf.reshape(weights, [this.units, 1]);
    const grid = pass.grids.get(weights.dataId);
    // The pass has packed codes for matrices that are weights themselves.
    if (grid !== undefined) pass.grids.set(column.dataId, { ...grid, weight: null });
    if (pass.float16.has(weights.dataId)) pass.float16.add(column.dataId);
    return column;
  }

  /** Under the host: inputs are r [batch, time, units] and the memory, all of which is real. */
  override call(inputs: tf.Tensor | tf.Tensor[], kwargs: CallArgs): tf.Tensor {
    const [r, values] = [inputs].flat() as [tf.Tensor3D, tf.Tensor3D];
    return this.inPass<tf.Tensor>(kwargs, (pass) => {
      const memory = { values, keys: this.keysOf(values, pass), lengths: null };
      return this.attend(this.queriesOf(r, pass), memory, pass).context;
    });
  }

  override computeOutputShape(inputShape: tf.Shape | tf.Shape[]): tf.Shape {
    const shapes = inputShape as tf.Shape[];
    return [...shapes[0]!.slice(0, -1), this.units];
  }

  override getConfig(): tf.serialization.ConfigDict {
    const { units, initialRange } = this;
    return { ...super.getConfig(), units, initialRange };
  }
}

/** The pairs [batch, time, sourceTime] of real queries and real places of a memory. */
function seenPairs(pass: Pass, queries: tf.Tensor3D, memory: AttendedMemory): Positions {
  const seen = { lengths: memory.lengths, queries: queries.shape[1], keys: memory.keys.shape[1] };
  const { mask } = seenScores(pass.positions ?? null, { ...seen, causal: false });
  return { mask: tf.squeeze(mask, [1]), sampleAxes: 2 };
}

/** Of no meaning where there is no clip. */
const FLOAT_TANGENTS = {
  ...({ kind: "act", bits: 8, axis: null, rounding: "half_even", compat: "none" } as const),
};
