import { beforeAll, describe, expect, it } from "vitest";
import { selectBackend } from "../../src/backends/select.ts";
import { exportInt8 } from "../../src/export/int8.ts";
import { traceModel } from "../../src/models/traced-model.ts";
import type { Transformer } from "../../src/models/transformer.ts";
import { checkParity, type ParityReport } from "../../src/runtime/parity.ts";
import { loadReference } from "../../src/runtime/reference/load.ts";
import {
  decoderInput,
  makeTinyTransformer,
  TINY_SPECIAL,
  tinySentences,
} from "../helpers/tiny-transformer.ts";

const targets = tinySentences(9, 6).reverse();
const examples = tinySentences(9).map((source, i) => ({
  source,
  targetInput: decoderInput(targets[i]!, TINY_SPECIAL.bos),
}));

async function parityOf(model: Transformer): Promise<ParityReport> {
  const { tensors, quantization } = exportInt8(model, { special: TINY_SPECIAL });
  const traced = traceModel(model);
  const reference = loadReference(tensors, quantization);
  const report = await checkParity(traced, reference, examples);
  traced.dispose();
  model.dispose();
  return report;
}

const postNorm = { "encoder.post_normalize": true, "decoder.post_normalize": true };
const unshared = {
  "modality.share_source_target_embedding": false,
  "modality.share_embedding_and_softmax_weights": false,
};
const variants: [string, Record<string, unknown>, Record<string, unknown>][] = [
  ["pre-norm, all shared, 8 bits", {}, {}],
  ["post-norm", postNorm, {}],
  ["pre-norm encoder, post-norm decoder", { "decoder.post_normalize": true }, {}],
  ["nothing shared", unshared, {}],
  [
    "shared sides, own softmax",
    { ...unshared, "modality.share_source_target_embedding": true },
    {},
  ],
  ["learned positions", { ...unshared, "modality.timing": "emb" }, {}],
  ["no positions", { "modality.timing": null }, {}],
  ["a monotonic encoder", { "encoder.attention_monotonic": true }, {}],
  ["one scale for each channel", unshared, { quant_per_channel: true }],
  ["one scale for each row of a shared table", {}, { quant_per_channel: true }],
  ["4-bit weights, 6-bit activations", {}, { quant_weight_bits: 4, quant_act_bits: 6 }],
  ["2 bits", {}, { quant_bits: 2 }],
  ["TensorFlow's rounding", {}, { quant_rounding: "half_up" }],
  [
    "bits that differ between layers",
    {},
    {
      overrides: [
        { match: "encoder/**", quant_act_bits: 5 },
        { match: "**/kernel", quant_weight_bits: 3 },
      ],
    },
  ],
];

describe.each(["cpu", "wasm"] as const)("the integer reference executor, against %s", (backend) => {
  beforeAll(() => selectBackend(backend));

  it.each(variants)("has the same codes and logits: %s", async (_, params, quant) => {
    const report = await parityOf(makeTinyTransformer(params, quant));
    expect(report.firstDifference).toBeNull();
    expect(report.differentLogits).toBe(0);
    expect(report.codes).toBeGreaterThan(20_000);
    expect(report.logits).toBe(45 * 37);
  });
});
