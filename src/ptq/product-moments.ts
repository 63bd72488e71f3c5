/** First and second moments of what enters the products of a model's weights, over batches. */
import * as tf from "@tensorflow/tfjs";
import { ShapeError } from "../errors.ts";
import type { Seq2SeqModel } from "../models/model.ts";
import { withPass, type Pass, type Positions, type ProductRecord } from "../quant/pass.ts";
import { layerOf, roundedWeights, type RoundedWeight } from "./quantized-weights.ts";

/** Moments of the inputs x [inputs] of one weight's product over all real rows. */
export interface InputMoments {
  /** Length of x. */
  readonly inputs: number;
  /** Whether the product takes the weight as [outputs, inputs]. */
  readonly transposed: boolean;
  /** Number of rows, padding left out. */
  readonly rows: number;
  /** E[x], [inputs]. */
  readonly mean: Float64Array;
  /** E[x·xᵀ], [inputs, inputs]; null where x is longer than the limit. */
  readonly second: Float64Array | null;
}

/** What {@link collectMoments} has seen. */
export interface ProductMoments {
  /** By the weight's checkpoint name. */
  readonly byWeight: ReadonlyMap<string, InputMoments>;
  /** Weights of which products take some columns only, so that no one input belongs to them. */
  readonly inParts: readonly string[];
}

/** A weight that is left as it is. */
export interface SkippedWeight<Other extends string = never> {
  readonly weight: string;
  readonly reason: "no product seen" | "products of some of its columns" | Other;
}

/** Why there are no moments of a weight's inputs; null where there are. */
export function whyUnseen(
  name: string,
  { byWeight, inParts }: ProductMoments,
): SkippedWeight["reason"] | null {
  if (inParts.includes(name)) return "products of some of its columns";
  return byWeight.has(name) ? null : "no product seen";
}

/** How moments are collected. */
export interface MomentOptions {
  /**
   * Whose inputs: `quantized` are what the rounded weights are multiplied with, errors of all layers
   * before included; `float` are those of the model without any rounding [default: quantized].
   */
  readonly inputs?: "quantized" | "float";
  /**
   * Longest x with a second moment, which takes 8·inputs² bytes; 0 collects means alone
   * [default: 4096].
   */
  readonly maxInputs?: number;
}

/**
 * Moments of the inputs of every product whose right operand is a quantized weight. Sums over a batch
 * are float32, sums over batches float64; memory does not grow with the number of batches.
 * A hidden state of zeros before the first step enters no product and is not counted.
 *
 * @param forwardPasses each runs one batch in the pass it is given; waits for the backend
 */
export function collectMoments(
  model: Seq2SeqModel,
  forwardPasses: Iterable<(pass: Pass) => void>,
  { inputs = "quantized", maxInputs = 4096 }: MomentOptions = {},
): ProductMoments {
  const weights = roundedWeights(model);
  const sums = new Map<string, MomentSums>();
  const inParts = new Set<string>();
  const onProduct = (record: ProductRecord): void => {
    const weight = weightOf(record, weights);
    if (weight === null) return;
    const length = record.a.shape.at(-1)!;
    if (record.b.size !== weight.variable.size) {
      inParts.add(weight.name);
      return;
    }
    const sum = sums.get(weight.name) ?? new MomentSums(length, length <= maxInputs, record);
    sums.set(weight.name, sum);
    sum.add(record);
  };
  for (const forward of forwardPasses) {
    const options = { skipQuantization: inputs === "float", onProduct };
    withPass(options, (pass) => {
      tf.tidy(() => {
        forward(pass);
      });
    });
    for (const sum of sums.values()) sum.endBatch();
  }
  for (const name of inParts) sums.delete(name);
  const byWeight = new Map([...weights.keys()].flatMap((name) => entryOf(name, sums.get(name))));
  return { byWeight, inParts: [...inParts] };
}

function entryOf(name: string, sums: MomentSums | undefined): [string, InputMoments][] {
  return sums === undefined ? [] : [[name, sums.moments()]];
}

/** The weight that a product's right operand is. */
function weightOf(
  { right, b, product }: ProductRecord,
  weights: ReadonlyMap<string, RoundedWeight>,
): RoundedWeight | null {
  if (right !== null) return weights.get(right.quantizer) ?? null;
  // Without quantization nothing but the layer's path tells; products of activations have more axes.
  if (b.rank !== 2) return null;
  return [...weights.values()].find(({ name }) => layerOf(name) === layerOf(product)) ?? null;
}

/** Running sums of one weight's inputs, extended by a 1: the last row is Σ x and the row count. */
class MomentSums {
  readonly #length: number;
  readonly #keepsSecond: boolean;
  readonly #transposed: boolean;
  readonly #total: Float64Array;
  /** Sum over the current batch, on the backend. */
  #batch: tf.Tensor | null = null;

  constructor(length: number, keepsSecond: boolean, { transposeB }: ProductRecord) {
    this.#length = length;
    this.#keepsSecond = keepsSecond;
    this.#transposed = transposeB;
    this.#total = new Float64Array((keepsSecond ? length + 1 : 1) * (length + 1));
  }

  add({ a, positions, product }: ProductRecord): void {
    const next = tf.tidy((): tf.Tensor => {
      const x: tf.Tensor2D = tf.reshape(a, [-1, this.#length]);
      const rows = x.shape[0];
      const ones: tf.Tensor2D =
        positions === null ? tf.ones([rows, 1]) : rowMask(positions, rows, product);
      const real: tf.Tensor2D = positions === null ? x : tf.mul<tf.Tensor2D>(x, ones);
      const extended: tf.Tensor2D = tf.concat([real, ones], 1);
      const sum: tf.Tensor = this.#keepsSecond
        ? tf.matMul(extended, extended, true, false)
        : tf.sum<tf.Tensor>(extended, 0);
      return tf.keep(this.#batch === null ? sum : tf.add(this.#batch, sum));
    });
    this.#batch?.dispose();
    this.#batch = next;
  }

  endBatch(): void {
    if (this.#batch === null) return;
    const sum = this.#batch.dataSync();
    for (let i = 0; i < sum.length; i++) this.#total[i]! += sum[i]!;
    this.#batch.dispose();
    this.#batch = null;
  }

  moments(): InputMoments {
    const [total, inputs] = [this.#total, this.#length];
    const width = inputs + 1;
    const last = total.subarray(total.length - width);
    const rows = last[inputs]!;
    const divisor = Math.max(rows, 1);
    const mean = last.slice(0, inputs).map((sum) => sum / divisor);
    let second: Float64Array | null = null;
    if (this.#keepsSecond) {
      second = new Float64Array(inputs * inputs);
      for (let k = 0; k < inputs; k++) {
        for (let l = 0; l < inputs; l++) second[k * inputs + l] = total[k * width + l]! / divisor;
      }
    }
    return { inputs, transposed: this.#transposed, rows, mean, second };
  }
}

/**
 * A mask as a column [rows, 1].
 * @throws {ShapeError} if the mask does not cover the rows
 */
function rowMask({ mask }: Positions, rows: number, product: string): tf.Tensor2D {
  const first = mask.shape.indexOf(1);
  const last = mask.shape.lastIndexOf(1);
  if (mask.size === rows || first === -1) return columnOf(mask, rows, product);
  // Axes of size 1 stand for every position: of how many, the rows tell.
  const before = mask.shape.slice(0, first).reduce((size, d) => size * d, 1);
  const after = mask.shape.slice(last + 1).reduce((size, d) => size * d, 1);
  const parts = tf.reshape<tf.Rank.R3>(mask, [before, -1, after]);
  return columnOf(tf.tile(parts, [1, Math.floor(rows / mask.size), 1]), rows, product);
}

function columnOf(mask: tf.Tensor, rows: number, product: string): tf.Tensor2D {
  if (mask.size === rows) return tf.reshape(mask, [rows, 1]);
  throw new ShapeError(
    `${product}: expected positions of ${rows} rows, received a mask of shape ` +
      `[${mask.shape.join(", ")}]. Give one value for each row.`,
  );
}
