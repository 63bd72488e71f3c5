/** The integer reference executor against the fake-quantized model, on text that nothing has seen. */
import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { selectBackend } from "../../src/backends/select.ts";
import { decodeCorpus } from "../../src/decode/decode-corpus.ts";
import type { DecodeOptions } from "../../src/decode/decode-options.ts";
import { exportInt8 } from "../../src/export/int8.ts";
import { createModelScorer } from "../../src/models/scorer.ts";
import { traceModel } from "../../src/models/traced-model.ts";
import type { Transformer } from "../../src/models/transformer.ts";
import { checkParity } from "../../src/runtime/parity.ts";
import { loadReference } from "../../src/runtime/reference/load.ts";
import type { ReferenceExecutor } from "../../src/runtime/reference/executor.ts";
import { parseBpeCodes } from "../../src/text/bpe.ts";
import { TextPipeline } from "../../src/text/pipeline.ts";
import { Vocabulary } from "../../src/text/vocabulary.ts";
import {
  calibrateActivations,
  LOHELP_SPECIAL,
  loadQuantizedLohelp,
} from "../helpers/quantized-lohelp.ts";
import { decoderInput } from "../helpers/tiny-transformer.ts";

const SENTENCES = 200;
const DATA = new URL("../../data/lohelp-en-de/", import.meta.url);

function textOf(name: string): string {
  return readFileSync(new URL(name, DATA), "utf8");
}

/** The first test sentences of one language as ids. */
function testIds(language: "en" | "de"): Int32Array[] {
  const pipeline = new TextPipeline({
    language,
    vocabulary: Vocabulary.parse(textOf("vocab.txt"), "vocab.txt"),
    tokenizer: "moses",
    subtokenizer: "bpe",
    codes: parseBpeCodes(textOf("codes.bpe"), "codes.bpe"),
  });
  const lines = textOf(`test.${language}`).split("\n").slice(0, SENTENCES);
  return lines.map((line) => pipeline.encode(line));
}

const sources = testIds("en");
const examples = testIds("de").map((target, i) => ({
  source: sources[i]!,
  targetInput: decoderInput(target, LOHELP_SPECIAL.bos),
}));

const greedy = { method: "greedy" } as const;
const settings: [string, Record<string, unknown>, Partial<DecodeOptions>][] = [
  ["8 bits, 4-best of a beam", {}, { topK: 4 }],
  ["one scale for each channel, greedy", { quant_per_channel: true }, greedy],
  ["4-bit weights, greedy", { quant_weight_bits: 4 }, greedy],
  ["TensorFlow's rounding, greedy", { quant_rounding: "half_up" }, greedy],
];

describe.each(settings)(
  "the reference executor on test sentences: %s",
  (_, quantParams, search) => {
    let model: Transformer;
    let reference: ReferenceExecutor;

    beforeAll(async () => {
      await selectBackend("wasm");
      model = loadQuantizedLohelp(quantParams);
      calibrateActivations(model);
      const exported = exportInt8(model, { special: LOHELP_SPECIAL });
      reference = loadReference(exported.tensors, exported.quantization);
      return () => {
        model.dispose();
      };
    });

    it("has every code and every logit", async () => {
      const traced = traceModel(model);
      const report = await checkParity(traced, reference, examples);
      traced.dispose();
      expect(report.firstDifference).toBeNull();
      expect(report).toMatchObject({ runs: SENTENCES, different: 0, differentLogits: 0 });
      expect(report.codes).toBeGreaterThan(5_000_000);
    });

    it("decodes the same tokens with the same scores", async () => {
      const scorer = createModelScorer(model);
      const options = { special: LOHELP_SPECIAL, ...search };
      const expected = await decodeCorpus(scorer, sources, options);
      scorer.close();
      expect(await decodeCorpus(reference, sources, options)).toEqual(expected);
    });
  },
);
