/** Multi-head scaled dot-product attention: of a sequence to itself, and to a memory. */
import * as tf from "@tensorflow/tfjs";
import { attentionSoftmax } from "../ops/attention-softmax.ts";
import { gatherHeads, type KeptKeys, type KeptMemory } from "../ops/cached-attention.ts";
import { writeCells } from "../ops/cell-blocks.ts";
import { joinHeads } from "../ops/heads.ts";
import type { Pass } from "../quant/pass.ts";
import { ClipQuantizer } from "../quant/quantizers.ts";
import { QuantDense } from "./dense.ts";
import { dropoutIn } from "./dropout.ts";
import { firstShape, lastWidth, onlyTensor } from "./input-tensors.ts";
import { type AttentionGrids, fusedContext, isFused, keepColumns } from "./kept-attention.ts";
import { MultiHeadDense } from "./multi-head-dense.ts";
import { acrossHeads, atPositions, headKeys, seenScores } from "./positions.ts";
import { product } from "./product.ts";
import { reportInput, reportOperation } from "./report.ts";
import { QuantLayer, type CallArgs, type QuantLayerArgs } from "./quant-layer.ts";

export interface AttentionArgs extends QuantLayerArgs {
  readonly numHeads: number;
  /** Width of queries, keys and values over all heads, and of the result. */
  readonly units: number;
  /** Dropout of attention probabilities [default: 0]. */
  readonly dropoutRate?: number;
}

/** Keys and values of all heads, [batch, heads, time, units/heads] each. */
export interface KeysAndValues {
  readonly keys: tf.Tensor4D;
  readonly values: tf.Tensor4D;
}

/** Which keys a query may see. */
export interface Visibility {
  /** int32 [batch], or null where every key is real. */
  readonly keyLengths: tf.Tensor1D | null;
  /** True hides later keys. */
  readonly causal: boolean;
}

/** What earlier steps have left to one layer, in blocks; see `ops/cell-blocks.ts`. */
export interface PastBlocks {
  /** [BLOCK_STEPS · capacity, 2 · units] each; the last one has room for this step. */
  readonly blocks: readonly tf.Tensor2D[];
  /** int32 [rows, BLOCK_STEPS · blocks], this step included. */
  readonly places: tf.Tensor2D;
  /** int32 scalar: the number of steps before. */
  readonly position: tf.Scalar;
}

/** What both kinds of attention share: quantizers, the result's map, and the attention itself. */
abstract class Attention extends QuantLayer {
  readonly numHeads: number;
  readonly units: number;
  readonly dropoutRate: number;
  #outputTransform!: QuantDense;

  constructor(args: AttentionArgs) {
    super(args);
    this.numHeads = args.numHeads;
    this.units = args.units;
    this.dropoutRate = args.dropoutRate ?? 0;
  }

  override build(inputShape: tf.Shape | tf.Shape[]): void {
    this.addActivationQuantizer("output");
    this.addActivationQuantizer("softmax", "softmax");
    const args = { ...this.sublayerArgs("output_transform"), units: this.units };
    this.#outputTransform = this.track(new QuantDense(args));
    this.#outputTransform.build([this.units]);
    super.build(inputShape);
  }

  /**
   * softmax(q·kᵀ/√d)·v through the output map.
   * @param queries [batch, heads, time, d]
   * @returns [batch, time, units], quantized
   */
  protected attend(
    queries: tf.Tensor4D,
    { keys, values }: KeysAndValues,
    { keyLengths, causal }: Visibility,
    pass: Pass,
  ): tf.Tensor {
    const [, , time, depth] = queries.shape;
    const seen = { lengths: keyLengths, queries: time, keys: keys.shape[2], causal };
    const queryPass = atPositions(pass, () => acrossHeads(pass.positions ?? null));
    const scorePass = atPositions(pass, () => seenScores(pass.positions ?? null, seen));
    const name = `${this.name}/scores`;
    const raw = product(queries, keys, { name, pass: queryPass, transposeB: true });
    // After the product, so that the product's operands stay on their grids.
    const scores = tf.mul<tf.Tensor4D>(raw, depth ** -0.5);
    const probabilities = attentionSoftmax(scores, keyLengths, causal);
    const weights = this.quantOperand(probabilities, "softmax", scorePass);
    const dropped = dropoutIn(weights, this.dropoutRate, pass);
    const context = product(dropped, values, {
      ...{ name: `${this.name}/context`, pass: scorePass, fallsOnTies: true },
    }) as tf.Tensor4D;
    if (pass.onOperation !== undefined) {
      reportInput(name, 0, queries, queryPass);
      reportOperation(name, [], scores, scorePass);
      reportOperation(`${this.name}/softmax`, [scores], probabilities, scorePass);
      reportInput(`${this.name}/context`, 0, probabilities, scorePass);
      const keyPass = { ...pass, positions: headKeys(keyLengths, keys.shape[2]) };
      reportInput(name, 1, keys, keyPass);
      reportInput(`${this.name}/context`, 1, values, keyPass);
      reportOperation(`${this.name}/context`, [], context, queryPass);
    }
    return this.#leave(joinHeads(context), pass);
  }

  protected override isReported(quantizer: string): boolean {
    return quantizer === "softmax";
  }

  /**
   * The same for one query of each row, to keys and values that earlier steps have left.
   * @param queries [rows, units or more], each row beginning with its query
   * @param column at which keys begin in what is kept
   * @returns [rows, 1, units], quantized
   */
  protected attendToKept(
    queries: tf.Tensor2D,
    kept: KeptKeys,
    column: number,
    grids: AttentionGrids,
    pass: Pass,
  ): tf.Tensor {
    const sizes = { heads: this.numHeads, units: this.units, column };
    if (isFused(grids, pass)) {
      const context = fusedContext(queries, kept, sizes, grids, pass);
      return this.#leave(tf.expandDims(context, 1), pass);
    }
    const heads = gatherHeads(queries, kept, sizes);
    if (grids.queries !== null) pass.grids.set(heads.queries.dataId, grids.queries);
    for (const operand of [heads.keys, heads.values]) {
      if (grids.cells !== null) pass.grids.set(operand.dataId, grids.cells);
    }
    return this.attend(heads.queries, heads, { ...heads, causal: false }, pass);
  }

  /** The grids of the operands; queries, keys and values are those of the maps. */
  protected gridsIn(queries: MultiHeadDense, cells: MultiHeadDense, pass: Pass): AttentionGrids {
    const probabilities = this.operandGrid("softmax", pass);
    const quantizer = this.quantizers.get("softmax");
    const isConstant = quantizer instanceof ClipQuantizer && quantizer.kind === "softmax";
    return {
      queries: queries.projectionGrid(pass),
      cells: cells.projectionGrid(pass),
      softmax: probabilities === null || !isConstant ? null : quantizer.spec,
      hasOtherSoftmax: quantizer !== undefined && !isConstant,
    };
  }

  /** @param context [batch, time, units] */
  #leave(context: tf.Tensor, pass: Pass): tf.Tensor {
    return this.#outputTransform.transform(this.quantOperand(context, "output", pass), pass);
  }

  /** Arguments of a map into heads. */
  protected headArgs(name: string, parts: number): ConstructorParameters<typeof MultiHeadDense>[0] {
    const { units, numHeads } = this;
    return { ...this.sublayerArgs(name), units, numHeads, parts };
  }

  override computeOutputShape(inputShape: tf.Shape | tf.Shape[]): tf.Shape {
    return [...firstShape(inputShape).slice(0, -1), this.units];
  }

  override getConfig(): tf.serialization.ConfigDict {
    const { numHeads, units, dropoutRate } = this;
    return { ...super.getConfig(), numHeads, units, dropoutRate };
  }
}

/** Attention of a sequence to itself; one kernel makes queries, keys and values. */
export class SelfAttention extends Attention {
  static readonly className = "MultiHeadSelfAttention";
  #qkvTransform!: MultiHeadDense;

  override build(inputShape: tf.Shape | tf.Shape[]): void {
    super.build(inputShape);
    this.#qkvTransform = this.track(new MultiHeadDense(this.headArgs("qkv_transform", 3)));
    this.#qkvTransform.build([lastWidth(this.name, inputShape)]);
  }

  /** @param x [batch, time, width] @returns [batch, time, units] */
  attendToSelf(x: tf.Tensor, visibility: Visibility, pass: Pass): tf.Tensor {
    const [queries, keys, values] = this.#qkvTransform.splitHeads(x, pass);
    return this.attend(queries!, { keys: keys!, values: values! }, visibility, pass);
  }

  /**
   * One more token of each row.
   * @param x [rows, 1, width]
   * @param past what the steps before have left
   * @param ancestors int32 [rows, steps], this step included: each row's row in what they left
   * @returns [rows, 1, units], and what this step leaves
   */
  attendToPast(
    x: tf.Tensor,
    past: readonly tf.Tensor2D[],
    ancestors: tf.Tensor2D,
    pass: Pass,
  ): { output: tf.Tensor; left: tf.Tensor2D } {
    const grids = this.gridsIn(this.#qkvTransform, this.#qkvTransform, pass);
    const projection = this.#qkvTransform.project(x, pass);
    const left = keepColumns(projection, 2 * this.units, grids, pass);
    const kept = { steps: [...past, left], ancestors };
    return { output: this.attendToKept(projection, kept, this.units, grids, pass), left };
  }

  /**
   * One more token of each row, with a past of fixed shapes.
   * @param x [rows, 1, width]
   * @returns [rows, 1, units], and the last block with what this step leaves
   */
  attendToBlocks(
    x: tf.Tensor,
    { blocks, places, position }: PastBlocks,
    pass: Pass,
  ): { output: tf.Tensor; left: tf.Tensor2D } {
    const grids = this.gridsIn(this.#qkvTransform, this.#qkvTransform, pass);
    const projection = this.#qkvTransform.project(x, pass);
    const rows = projection.shape[0];
    const own = tf.slice(projection, [0, this.units], [rows, 2 * this.units]);
    const left = writeCells(blocks.at(-1)!, own, position);
    const one = tf.ones<tf.Rank.R1>([rows], "int32");
    const kept = {
      blocks: [...blocks.slice(0, -1), left],
      places,
      steps: tf.add<tf.Tensor1D>(one, position),
    };
    return { output: this.attendToKept(projection, kept, 0, grids, pass), left };
  }

  /** Under the host: every position sees every other. */
  override call(inputs: tf.Tensor | tf.Tensor[], kwargs: CallArgs): tf.Tensor {
    const visibility = { keyLengths: null, causal: false };
    return this.inPass(kwargs, (pass) => this.attendToSelf(onlyTensor(inputs), visibility, pass));
  }
}

/** Attention of a sequence to a memory; one kernel makes keys and values. */
export class CrossAttention extends Attention {
  static readonly className = "MultiHeadAttention";
  #qTransform!: MultiHeadDense;
  #kvTransform!: MultiHeadDense;

  /** @param inputShape the shape of x, or those of x and of the memory */
  override build(inputShape: tf.Shape | tf.Shape[]): void {
    super.build(inputShape);
    const shapes = Array.isArray(inputShape[0]) ? (inputShape as tf.Shape[]) : [inputShape];
    this.#qTransform = this.track(new MultiHeadDense(this.headArgs("q_transform", 1)));
    this.#qTransform.build([lastWidth(this.name, shapes[0] as tf.Shape)]);
    this.#kvTransform = this.track(new MultiHeadDense(this.headArgs("kv_transform", 2)));
    this.#kvTransform.build([lastWidth(this.name, shapes.at(-1) as tf.Shape)]);
  }

  /** Keys and values of a memory. @param memory [batch, time, width] */
  memorize(memory: tf.Tensor, pass: Pass): KeysAndValues {
    const [keys, values] = this.#kvTransform.splitHeads(memory, pass);
    return { keys: keys!, values: values! };
  }

  /** What {@link attendToKeptMemory} needs of a memory. @param memory [sentences, time, width] */
  keepMemory(memory: tf.Tensor, pass: Pass): tf.Tensor3D {
    const [sentences, time] = memory.shape as [number, number];
    const grids = this.gridsIn(this.#qTransform, this.#kvTransform, pass);
    const projection = this.#kvTransform.project(memory, pass);
    const left = keepColumns(projection, 2 * this.units, grids, pass);
    return tf.reshape(left, [sentences, time, left.shape[1]]);
  }

  /** One position of each row. @param x [rows, 1, width] @returns [rows, 1, units] */
  attendToKeptMemory(x: tf.Tensor, kept: KeptMemory, pass: Pass): tf.Tensor {
    const grids = this.gridsIn(this.#qTransform, this.#kvTransform, pass);
    const queries = this.#qTransform.project(x, pass);
    return this.attendToKept(queries, kept, 0, grids, pass);
  }

  /** @param x [batch, time, width] @returns [batch, time, units] */
  attendToMemory(
    x: tf.Tensor,
    memory: KeysAndValues,
    memoryLengths: tf.Tensor1D | null,
    pass: Pass,
  ): tf.Tensor {
    const [queries] = this.#qTransform.splitHeads(x, pass);
    return this.attend(queries!, memory, { keyLengths: memoryLengths, causal: false }, pass);
  }

  /** Under the host: inputs are x and the memory, all of which is real. */
  override call(inputs: tf.Tensor | tf.Tensor[], kwargs: CallArgs): tf.Tensor {
    const list = [inputs].flat();
    return this.inPass(kwargs, (pass) =>
      this.attendToMemory(list[0]!, this.memorize(list.at(-1)!, pass), null, pass),
    );
  }
}
