/** Position embeddings: sinusoids or a learned table, added to token vectors. */
import * as tf from "@tensorflow/tfjs";
import { sinusoidTable } from "../core/position.ts";
import { ShapeError } from "../errors.ts";
import type { Pass } from "../quant/pass.ts";
import { embeddingNormal } from "./initial-weights.ts";
import { firstShape, lastWidth, onlyTensor } from "./input-tensors.ts";
import { keepIn } from "./pass-cache.ts";
import { QuantLayer, type CallArgs, type QuantLayerArgs } from "./quant-layer.ts";

export interface PositionEmbeddingArgs extends QuantLayerArgs {
  /** `sinusoids` scales the token vectors by √width first; `emb` is a learned table. */
  readonly timing: "sinusoids" | "emb";
  /** Rows of a table [default: 512]. */
  readonly maxPositions?: number;
  /** Keeps the sinusoids in a variable that is not trained [default: false]. */
  readonly sinusoidsAsVariable?: boolean;
}

/** A position that a captured step is given as a tensor. */
export interface GivenPosition {
  /** int32 scalar. */
  readonly at: tf.Scalar;
  /** It is below this; decides the size of a table of sinusoids. */
  readonly limit: number;
}

/** Sinusoids for given positions are made for a multiple of this many. */
const TABLE_STEP = 512;

/** Adds the vector of each position. A table is quantized; computed sinusoids are not. */
export class PositionEmbedding extends QuantLayer {
  static readonly className = "PositionEmbedding";
  readonly timing: "sinusoids" | "emb";
  readonly maxPositions: number;
  readonly sinusoidsAsVariable: boolean;
  #table: tf.LayerVariable | null = null;
  #signals: Float32Array = new Float32Array(0);

  constructor(args: PositionEmbeddingArgs) {
    super(args);
    this.timing = args.timing;
    this.maxPositions = args.maxPositions ?? 512;
    this.sinusoidsAsVariable = args.sinusoidsAsVariable ?? false;
  }

  override build(inputShape: tf.Shape | tf.Shape[]): void {
    const width = lastWidth(this.name, inputShape);
    const shape = [this.maxPositions, width];
    if (this.timing === "emb") {
      const initializer = embeddingNormal(width, this.seed, `${this.name}/weights`);
      this.#table = this.addWeight("weights", shape, "float32", initializer);
    } else if (this.sinusoidsAsVariable) {
      const initializer = tf.initializers.zeros();
      this.#table = this.addWeight("weights", shape, "float32", initializer, undefined, false);
      const signals = tf.tensor2d(
        sinusoidTable(this.maxPositions, width),
        shape as [number, number],
      );
      this.#table.write(signals);
      signals.dispose();
    }
    super.build(inputShape);
  }

  /** Whether positions have an end: that of a table in a variable. */
  get isTable(): boolean {
    return this.timing === "emb" || this.sinusoidsAsVariable;
  }

  protected override channelAxis(): number {
    return 0;
  }

  /**
   * @param x [batch, time, width], token vectors
   * @param start position of the first one
   * @returns x (times √width for sinusoids) plus the vectors of positions start, start + 1, …
   */
  addPositions(x: tf.Tensor, start: number, pass: Pass): tf.Tensor {
    const [, time, width] = x.shape as [number, number, number];
    return tf.add(this.#scaled(x), this.#positions(start, time, width, pass));
  }

  /**
   * The same for one position that is a tensor.
   * @param x [batch, 1, width]
   * @returns x (times √width for sinusoids) plus the vector of the position
   */
  addGivenPosition(x: tf.Tensor, { at, limit }: GivenPosition, pass: Pass): tf.Tensor {
    const table =
      this.#table === null
        ? this.#sinusoids(Math.ceil(limit / TABLE_STEP) * TABLE_STEP, x.shape.at(-1)!, pass)
        : this.quantWeight(this.#table, pass);
    return tf.add(this.#scaled(x), tf.gather(table, at));
  }

  #scaled(x: tf.Tensor): tf.Tensor {
    return this.timing === "sinusoids" ? tf.mul(x, Math.sqrt(x.shape.at(-1)!)) : x;
  }

  #sinusoids(rows: number, width: number, pass: Pass): tf.Tensor {
    const key = `${this.name}/${rows}`;
    let table = pass.tables.get(key);
    if (table === undefined) {
      table = keepIn(pass, tf.tensor2d(sinusoidTable(rows, width), [rows, width]));
      pass.tables.set(key, table);
    }
    return table;
  }

  #positions(start: number, time: number, width: number, pass: Pass): tf.Tensor2D {
    if (this.#table !== null) {
      if (start + time > this.maxPositions) {
        throw new ShapeError(
          `${this.name}: expected at most ${this.maxPositions} positions, received ` +
            `${start + time}. Shorten the text or raise timing.max_positions.`,
        );
      }
      return tf.slice(
        this.quantWeight(this.#table, pass) as tf.Tensor2D,
        [start, 0],
        [time, width],
      );
    }
    if (this.#signals.length < (start + time) * width) {
      this.#signals = sinusoidTable(2 * (start + time), width);
    }
    const rows = this.#signals.slice(start * width, (start + time) * width);
    return tf.tensor2d(rows, [time, width]);
  }

  override call(inputs: tf.Tensor | tf.Tensor[], kwargs: CallArgs): tf.Tensor {
    return this.inPass(kwargs, (pass) => this.addPositions(onlyTensor(inputs), 0, pass));
  }

  override computeOutputShape(inputShape: tf.Shape | tf.Shape[]): tf.Shape {
    return firstShape(inputShape);
  }

  override getConfig(): tf.serialization.ConfigDict {
    const { timing, maxPositions, sinusoidsAsVariable } = this;
    return { ...super.getConfig(), timing, maxPositions, sinusoidsAsVariable };
  }
}
