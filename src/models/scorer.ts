/** A sequence-to-sequence model as decoders see it: arrays in, log-probabilities out. */
import * as tf from "@tensorflow/tfjs";
import type { StepScorer } from "../decode/step-scorer.ts";
import { DataError } from "../errors.ts";
import { logSoftmax } from "../ops/log-softmax.ts";
import { createPass, disposePass, type Pass } from "../quant/pass.ts";
import type { DecodeState, Seq2SeqModel } from "./model.ts";

/** A model's scorer. It quantizes each weight once, so no weight may change while it is in use. */
export interface ModelScorer extends StepScorer<DecodeState> {
  /** Frees the quantized weights; the model stays. */
  close(): void;
}

/**
 * The scorer of a model in evaluation.
 * @param products `codes` multiplies integer codes where a product's operands are quantized;
 *   `values` multiplies dequantized values, as training does
 */
export function createModelScorer(
  model: Seq2SeqModel,
  products: Pass["products"] = "codes",
): ModelScorer {
  const pass = createPass({ products });
  return {
    vocabSize: model.targetVocabSize,
    start: (sources) =>
      withTensors([paddedIds(sources), lengthsOf(sources)], ([ids, lengths]) =>
        model.startState(ids as tf.Tensor2D, lengths as tf.Tensor1D, pass),
      ),
    step(state, ids) {
      const step = withTensors([tf.tensor1d(ids, "int32")], ([previous]) =>
        model.step(previous as tf.Tensor1D, state, pass),
      );
      const scores = logSoftmax(step.logits);
      const logProbs = Float32Array.from(scores.dataSync());
      scores.dispose();
      step.logits.dispose();
      return { logProbs, state: step.state };
    },
    gather: (state, rows) =>
      withTensors([tf.tensor1d(rows, "int32")], ([indices]) =>
        model.gatherState(state, indices as tf.Tensor1D),
      ),
    dispose(state) {
      model.disposeState(state);
    },
    close() {
      disposePass(pass);
    },
  };
}

function withTensors<T>(tensors: tf.Tensor[], use: (tensors: tf.Tensor[]) => T): T {
  try {
    return use(tensors);
  } finally {
    tf.dispose(tensors);
  }
}

/** [batch, longest], each row padded with its own last id. */
function paddedIds(sources: readonly Int32Array[]): tf.Tensor2D {
  const time = Math.max(...sources.map((ids) => ids.length));
  if (!(time > 0) || sources.some((ids) => ids.length === 0)) {
    throw new DataError(
      `decode: expected source sentences of one id or more, received an empty one. ` +
        `Give each sentence its end-of-sentence id.`,
    );
  }
  const padded = new Int32Array(sources.length * time);
  sources.forEach((ids, row) => {
    padded.fill(ids.at(-1)!, row * time, (row + 1) * time).set(ids, row * time);
  });
  return tf.tensor2d(padded, [sources.length, time], "int32");
}

function lengthsOf(sources: readonly Int32Array[]): tf.Tensor1D {
  return tf.tensor1d(
    Int32Array.from(sources, (ids) => ids.length),
    "int32",
  );
}
