/** A model whose passes somebody watches, whatever runs it. */
import * as tf from "@tensorflow/tfjs";
import type { Pass } from "../quant/pass.ts";
import type { StatisticsCollector } from "../quant/statistics-collector.ts";
import type { Seq2SeqModel } from "./model.ts";

/** How a model is watched. */
export interface WatchOptions {
  /**
   * Id that fills target inputs up behind their last token and stands nowhere else in them, as the
   * end of a sentence does. Without it only what says lengths itself leaves target padding out.
   */
  readonly targetPadding?: number | undefined;
}

/**
 * The model in float, every pass of which a collector sees. It shares the model's variables; nothing is
 * captured, and disposing it disposes nothing.
 */
export function watchModel(
  model: Seq2SeqModel,
  collector: StatisticsCollector,
  { targetPadding }: WatchOptions = {},
): Seq2SeqModel {
  const watched = (pass: Pass): Pass => ({
    ...pass,
    products: "values",
    skipQuantization: true,
    onOperation: collector.onOperation,
  });
  const seen = <T>(run: () => T): T => {
    try {
      const result = run();
      collector.flush();
      return result;
    } catch (error) {
      collector.discard();
      throw error;
    }
  };
  return {
    className: model.className,
    params: model.params,
    sourceVocabSize: model.sourceVocabSize,
    targetVocabSize: model.targetVocabSize,
    variables: model.variables,
    layers: () => model.layers(),
    logits: (source, sourceLengths, targetInput, pass) => {
      const targetLengths = pass.targetLengths ?? realTokens(targetInput, targetPadding);
      const own = { ...watched(pass), targetLengths };
      return seen(() => model.logits(source, sourceLengths, targetInput, own));
    },
    startState: (source, lengths, pass) =>
      seen(() => model.startState(source, lengths, watched(pass))),
    step: (ids, state, pass) => seen(() => model.step(ids, state, watched(pass))),
    ...(model.stepAttended === undefined
      ? {}
      : {
          stepAttended: (ids, state, pass) =>
            seen(() => model.stepAttended!(ids, state, watched(pass))),
        }),
    gatherState: (state, rows) => model.gatherState(state, rows),
    disposeState: (state) => {
      model.disposeState(state);
    },
    dispose: () => undefined,
  };
}

/** int32 [batch]: tokens of each row that are no padding; null where nothing tells. */
function realTokens(targetInput: tf.Tensor2D, padding: number | undefined): tf.Tensor1D | null {
  if (padding === undefined) return null;
  const isToken = tf.notEqual(targetInput, tf.scalar(padding, "int32"));
  return tf.sum(tf.cast(isToken, "int32"), 1);
}
