/** Position embeddings: sinusoids or a learned table, added to token vectors. */
import * as tf from "@tensorflow/tfjs";
import { sinusoidTable } from "../core/position.ts";
import { ShapeError } from "../errors.ts";
import type { Pass } from "../quant/pass.ts";
import { embeddingNormal } from "./initial-weights.ts";
import { firstShape, lastWidth, onlyTensor } from "./input-tensors.ts";
import { QuantLayer, type CallArgs, type QuantLayerArgs } from "./quant-layer.ts";

export interface PositionEmbeddingArgs extends QuantLayerArgs {
  /** `sinusoids` scales the token vectors by √width first; `emb` is a learned table. */
  readonly timing: "sinusoids" | "emb";
  /** Rows of a table [default: 512]. */
  readonly maxPositions?: number;
  /** Keeps the sinusoids in a variable that is not trained [default: false]. */
  readonly sinusoidsAsVariable?: boolean;
}

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
    const scaled = this.timing === "sinusoids" ? tf.mul(x, Math.sqrt(width)) : x;
    return tf.add(scaled, this.#positions(start, time, width, pass));
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
