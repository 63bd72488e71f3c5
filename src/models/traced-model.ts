/** A fake-quantized model that reports its integer codes: one side of a parity check. */
import * as tf from "@tensorflow/tfjs";
import { createPass, disposePass } from "../quant/pass.ts";
import type { Seq2SeqModel } from "./model.ts";

/** Teacher-forced logits of single sentences, with the codes of every quantized activation. */
export interface TracedModel {
  /**
   * @param source ids with EOS
   * @param targetInput BOS, then the target without its last token
   * @returns float32 [time, vocabSize]
   */
  logits(
    source: Int32Array,
    targetInput: Int32Array,
    trace: { onCodes?(quantizer: string, codes: ArrayLike<number>): void },
  ): Float32Array;
  /** Frees the quantized weights, which are made once; the model stays. */
  dispose(): void;
}

/** The model in evaluation: products of codes. Weights must not change until it is disposed. */
export function traceModel(model: Seq2SeqModel): TracedModel {
  let report: ((quantizer: string, codes: ArrayLike<number>) => void) | undefined;
  const onCodes = (quantizer: string, codes: tf.Tensor): void => {
    report?.(quantizer, codes.dataSync());
  };
  const pass = createPass({ products: "codes", onCodes });
  return {
    logits(source, targetInput, trace) {
      report = trace.onCodes?.bind(trace);
      return tf.tidy(() => {
        const ids = tf.tensor2d(source, [1, source.length], "int32");
        const lengths = tf.tensor1d([source.length], "int32");
        const input = tf.tensor2d(targetInput, [1, targetInput.length], "int32");
        return Float32Array.from(model.logits(ids, lengths, input, pass).dataSync());
      });
    },
    dispose() {
      disposePass(pass);
    },
  };
}
