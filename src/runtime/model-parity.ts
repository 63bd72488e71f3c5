/** Runs a fake-quantized model and the integer reference executor side by side. */
import * as tf from "@tensorflow/tfjs";
import type { Seq2SeqModel } from "../models/model.ts";
import { createPass, disposePass, type Pass } from "../quant/pass.ts";
import { CodeRecording, ParityReport } from "./parity.ts";
import type { ReferenceTransformer } from "./reference/transformer.ts";

/** One sentence pair, teacher-forced. */
export interface ParityExample {
  /** Ids with EOS. */
  readonly source: Int32Array;
  /** BOS, then the target without its last token. */
  readonly targetInput: Int32Array;
}

/** Codes and logits of both sides compared. */
export interface ModelParity {
  readonly report: ParityReport;
  /** float32 logits compared, and how many differ in any bit. */
  readonly logits: number;
  readonly differentLogits: number;
  readonly largestLogitDifference: number;
}

/**
 * Compares every activation code and every logit of each example, one sentence at a time.
 * @param onProgress called after each example
 */
export async function checkModelParity(
  model: Seq2SeqModel,
  reference: ReferenceTransformer,
  examples: readonly ParityExample[],
  onProgress?: (done: number) => void | Promise<void>,
): Promise<ModelParity> {
  const report = new ParityReport();
  const totals = { logits: 0, differentLogits: 0, largestLogitDifference: 0 };
  let recording = new CodeRecording();
  const onCodes = (quantizer: string, codes: tf.Tensor): void => {
    recording.add(quantizer, codes.dataSync());
  };
  // One pass for all examples, so that weights are quantized once.
  const pass = createPass({ products: "codes", onCodes });
  try {
    for (const [i, example] of examples.entries()) {
      recording = new CodeRecording();
      const traced = new CodeRecording();
      const expected = modelLogits(model, example, pass);
      const received = reference.logits(example.source, example.targetInput, {
        onCodes: (quantizer, codes) => {
          traced.add(quantizer, codes);
        },
      });
      report.add(recording, traced);
      countLogits(totals, expected, received);
      await onProgress?.(i + 1);
    }
  } finally {
    disposePass(pass);
  }
  return { report, ...totals };
}

function countLogits(
  totals: { logits: number; differentLogits: number; largestLogitDifference: number },
  expected: Float32Array,
  received: Float32Array,
): void {
  totals.logits += expected.length;
  expected.forEach((logit, i) => {
    if (logit === received[i]) return;
    const difference = Math.abs(logit - received[i]!);
    totals.differentLogits++;
    totals.largestLogitDifference = Math.max(totals.largestLogitDifference, difference);
  });
}

function modelLogits(
  model: Seq2SeqModel,
  { source, targetInput }: ParityExample,
  pass: Pass,
): Float32Array {
  return tf.tidy(() => {
    const ids = tf.tensor2d(source, [1, source.length], "int32");
    const lengths = tf.tensor1d([source.length], "int32");
    const input = tf.tensor2d(targetInput, [1, targetInput.length], "int32");
    return Float32Array.from(model.logits(ids, lengths, input, pass).dataSync());
  });
}
