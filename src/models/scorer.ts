/** A sequence-to-sequence model as decoders see it: arrays in, log-probabilities out. */
import * as tf from "@tensorflow/tfjs";
import type { RowCandidates } from "../core/top-candidates.ts";
import type { StepScorer } from "../decode/step-scorer.ts";
import { DataError } from "../errors.ts";
import { logSoftmax } from "../ops/log-softmax.ts";
import { topCandidates } from "../ops/top-candidates.ts";
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
  /** One step, of whose logits `read` makes arrays. */
  const advance = <T>(
    state: DecodeState,
    ids: Int32Array,
    read: (logits: tf.Tensor2D) => T,
  ): { result: T; state: DecodeState } => {
    const step = withTensors([tf.tensor1d(ids, "int32")], ([previous]) =>
      model.step(previous as tf.Tensor1D, state, pass),
    );
    try {
      tf.engine().startScope();
      return { result: read(step.logits), state: step.state };
    } catch (error) {
      model.disposeState(step.state);
      throw error;
    } finally {
      tf.engine().endScope();
      step.logits.dispose();
    }
  };
  return {
    vocabSize: model.targetVocabSize,
    start: (sources) =>
      withTensors([paddedIds(sources), lengthsOf(sources)], ([ids, lengths]) =>
        model.startState(ids as tf.Tensor2D, lengths as tf.Tensor1D, pass),
      ),
    step(state, ids) {
      const { result, state: next } = advance(state, ids, (logits) =>
        Float32Array.from(logSoftmax(logits).dataSync()),
      );
      return { logProbs: result, state: next };
    },
    stepTop(state, ids, scoring, size) {
      const { result, state: next } = advance(state, ids, (logits) =>
        readCandidates(topCandidates(logits, scoring, size)),
      );
      return { best: result, state: next };
    },
    gather: (state, rows) => model.gatherState(state, rows),
    dispose(state) {
      model.disposeState(state);
    },
    close() {
      disposePass(pass);
    },
  };
}

function readCandidates([tokens, logProbs, scores]: readonly tf.Tensor[]): RowCandidates {
  return {
    tokens: Int32Array.from(tokens!.dataSync()),
    logProbs: Float32Array.from(logProbs!.dataSync()),
    scores: Float32Array.from(scores!.dataSync()),
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
