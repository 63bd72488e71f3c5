/** Training steps of {@link StockTransformer} with TensorFlow.js' own optimizer. */
import * as tf from "@tensorflow/tfjs";
import type { StockTransformer } from "./stock-transformer.ts";
import type { PlainBatch, Workload } from "./workloads.ts";

const LEARNING_RATE = 1e-4;

/** A training loop over given batches. */
export class StockTrainer {
  readonly #model: StockTransformer;
  readonly #workload: Pick<Workload, "labelSmoothing" | "clipNorm">;
  readonly #optimizer = tf.train.adam(LEARNING_RATE, 0.9, 0.98, 1e-9);

  constructor(model: StockTransformer, workload: Pick<Workload, "labelSmoothing" | "clipNorm">) {
    this.#model = model;
    this.#workload = workload;
  }

  /** One step. @returns the loss before it */
  async step(batch: PlainBatch): Promise<number> {
    const { labelSmoothing, clipNorm } = this.#workload;
    const loss = (): tf.Scalar => this.#model.loss(batch, labelSmoothing, true);
    const value =
      clipNorm === null
        ? tf.tidy(() => this.#optimizer.minimize(loss, true)!)
        : this.#clippedStep(loss, clipNorm);
    const [number] = await value.data();
    value.dispose();
    return number!;
  }

  #clippedStep(loss: () => tf.Scalar, clipNorm: number): tf.Scalar {
    return tf.tidy(() => {
      const { value, grads } = tf.variableGrads(loss);
      const squares = Object.values(grads).map((gradient) => tf.sum(tf.square(gradient)));
      const norm = tf.sqrt(tf.addN(squares));
      const factor = tf.div(clipNorm, tf.maximum(norm, clipNorm));
      this.#optimizer.applyGradients(
        Object.entries(grads).map(([name, g]) => ({ name, tensor: tf.mul(g, factor) })),
      );
      return value;
    });
  }
}
