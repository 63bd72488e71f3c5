/** Step by step, with caches and reordered rows, the executor computes what it does teacher-forced. */
import * as tf from "@tensorflow/tfjs";
import { beforeAll, describe, expect, it } from "vitest";
import { selectBackend } from "../../src/backends/select.ts";
import { logSoftmax } from "../../src/core/softmax.ts";
import { beamSearch } from "../../src/decode/beam-search.ts";
import { DataError } from "../../src/errors.ts";
import { exportInt8 } from "../../src/export/int8.ts";
import { type ProductRecord, withPass } from "../../src/quant/pass.ts";
import { loadReference } from "../../src/runtime/reference/load.ts";
import type { ReferenceExecutor } from "../../src/runtime/reference/executor.ts";
import {
  decoderInput,
  makeTinyTransformer,
  TINY_SPECIAL,
  TINY_VOCABULARY,
  tinySentences,
} from "../helpers/tiny-transformer.ts";

function makeReference(params: Record<string, unknown> = {}): ReferenceExecutor {
  const model = makeTinyTransformer(params);
  const { tensors, quantization } = exportInt8(model, { special: TINY_SPECIAL });
  model.dispose();
  return loadReference(tensors, quantization);
}

/** Teacher-forced log-probabilities [time, vocabulary]. */
function forcedLogProbs(reference: ReferenceExecutor, source: Int32Array, target: Int32Array) {
  const logits = reference.logits(source, decoderInput(target, TINY_SPECIAL.bos));
  return logSoftmax(logits, new Float32Array(logits.length), target.length, TINY_VOCABULARY);
}

describe("ReferenceTransformer", () => {
  beforeAll(() => selectBackend("cpu"));

  it.each([{}, { "encoder.post_normalize": true, "decoder.post_normalize": true }])(
    "decodes step by step as teacher-forced: %j",
    (params) => {
      const reference = makeReference(params);
      const sources = tinySentences(4);
      const target = tinySentences(9, 8)[8]!;
      const input = decoderInput(target, TINY_SPECIAL.bos);
      let state = reference.start(sources);
      let order = [0, 1, 2, 3];
      const expected = sources.map((source) => forcedLogProbs(reference, source, target));
      for (let time = 0; time < input.length; time++) {
        const ids = new Int32Array(order.length).fill(input[time]!);
        const step = reference.step(state, ids);
        order.forEach((sentence, row) => {
          const at = row * TINY_VOCABULARY;
          const from = time * TINY_VOCABULARY;
          expect(step.logProbs.slice(at, at + TINY_VOCABULARY)).toEqual(
            expected[sentence]!.slice(from, from + TINY_VOCABULARY),
          );
        });
        const rows = time % 2 === 0 ? [3, 1, 1, 0, 2] : [4, 2, 0, 3];
        state = reference.gather(step.state, Int32Array.from(rows));
        order = rows.map((row) => order[row]!);
      }
    },
  );

  it("lets beam search score what it scores teacher-forced", () => {
    const reference = makeReference();
    const sources = tinySentences(5);
    const found = beamSearch(reference, sources, { special: TINY_SPECIAL, extraDecodeLength: 6 });
    found.forEach(([best], i) => {
      const logProbs = forcedLogProbs(reference, sources[i]!, best!.tokens);
      let sum = 0;
      best!.tokens.forEach((token, time) => {
        sum = Math.fround(sum + logProbs[time * TINY_VOCABULARY + token]!);
      });
      expect(best!.logProb).toBe(sum);
    });
  });

  it("reports the products that the fake-quantized model reports", () => {
    const model = makeTinyTransformer();
    const { tensors, quantization } = exportInt8(model, { special: TINY_SPECIAL });
    const reference = loadReference(tensors, quantization);
    const source = tinySentences(5)[4]!;
    const received: string[] = [];
    reference.logits(source, source, {
      onProduct: ({ product, left, right }) => received.push([product, left, right].join(" ")),
    });
    const expected: string[] = [];
    const onProduct = ({ product, left, right }: ProductRecord): void => {
      expected.push([product, left?.quantizer, right?.quantizer].join(" "));
    };
    withPass({ products: "codes", onProduct }, (pass) => {
      tf.tidy(() => {
        const ids = tf.tensor2d(source, [1, source.length], "int32");
        model.logits(ids, tf.tensor1d([source.length], "int32"), ids, pass);
      });
    });
    model.dispose();
    expect(received.length).toBe(2 * 6 + 2 * 11 + 1);
    expect(received.sort()).toEqual(expected.sort());
  });

  it("refuses ids outside the vocabulary", () => {
    const reference = makeReference();
    expect(() => reference.logits(Int32Array.of(37), Int32Array.of(35))).toThrow(DataError);
    expect(() => reference.logits(Int32Array.of(36), Int32Array.of(-1))).toThrow(DataError);
  });
});
