/** How far a quantized model is from the float one on a few sentences: a score that needs no search. */
import * as tf from "@tensorflow/tfjs";
import type { Batch } from "../data/batch.ts";
import { batchTensors, type BatchTensors } from "../models/loss.ts";
import type { Seq2SeqModel } from "../models/model.ts";
import { logSoftmax } from "../ops/log-softmax.ts";
import { withPass } from "../quant/pass.ts";

interface Probe {
  readonly batch: BatchTensors;
  /** log p of the float model, [rows, vocabulary]. */
  readonly expected: tf.Tensor2D;
  /** 1 where a target token is real, [rows]. */
  readonly mask: tf.Tensor1D;
}

/**
 * Mean over the target tokens of Σ p·(log p − log q), nats: the Kullback-Leibler divergence of the next
 * token's distribution q of a model from the float model's p, with the reference as the past. It keeps
 * the float model's distributions until {@link dispose}.
 */
export class DivergenceProbe {
  readonly #probes: Probe[];
  readonly #tokens: number;

  /** @param batches held-out text, some dozen sentences together */
  constructor(float: Seq2SeqModel, batches: readonly Batch[]) {
    this.#probes = batches.map((batch) => {
      const tensors = batchTensors(batch);
      const { expected, mask } = tf.tidy(() => ({
        expected: logProbabilities(float, tensors),
        mask: realTokens(tensors),
      }));
      return { batch: tensors, expected, mask };
    });
    this.#tokens = batches.reduce(
      (sum, { targetLengths }) => sum + targetLengths.reduce((a, b) => a + b, 0),
      0,
    );
  }

  /** The divergence of a model, evaluated as it is deployed: in products of codes. */
  async of(model: Seq2SeqModel): Promise<number> {
    let total = 0;
    for (const { batch, expected, mask } of this.#probes) {
      const sum = tf.tidy(() => {
        const difference = tf.sub(expected, logProbabilities(model, batch));
        return tf.sum(tf.mul(tf.sum(tf.mul(tf.exp(expected), difference), 1), mask));
      });
      total += (await sum.data())[0]!;
      sum.dispose();
    }
    return total / this.#tokens;
  }

  /** Frees the float model's distributions. */
  dispose(): void {
    for (const { batch, expected, mask } of this.#probes) {
      tf.dispose([...Object.values(batch as unknown as Record<string, tf.Tensor>), expected, mask]);
    }
  }
}

function logProbabilities(model: Seq2SeqModel, batch: BatchTensors): tf.Tensor2D {
  const { source, sourceLengths, targetInput } = batch;
  return withPass({ products: "codes" }, (pass) =>
    logSoftmax(model.logits(source, sourceLengths, targetInput, pass)),
  );
}

function realTokens({ targetInput, targetLengths }: BatchTensors): tf.Tensor1D {
  const [size, time] = targetInput.shape;
  const isReal = tf.less(tf.range(0, time, 1, "int32"), tf.expandDims(targetLengths, 1));
  return tf.reshape(tf.cast(isReal, "float32"), [size * time]);
}
