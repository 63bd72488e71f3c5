/** The integer reference executor of GNMT against the fake-quantized model: same codes, same tokens. */
import { beforeAll, describe, expect, it } from "vitest";
import { selectBackend } from "../../src/backends/select.ts";
import { gnmtBeamSearch } from "../../src/decode/gnmt-beam-search.ts";
import { greedySearch } from "../../src/decode/greedy.ts";
import { exportInt8 } from "../../src/export/int8.ts";
import type { Gnmt } from "../../src/models/gnmt.ts";
import { createModelScorer } from "../../src/models/scorer.ts";
import { traceModel } from "../../src/models/traced-model.ts";
import { checkParity, type ParityReport } from "../../src/runtime/parity.ts";
import { loadReference } from "../../src/runtime/reference/load.ts";
import { makeTinyGnmt } from "../helpers/tiny-gnmt.ts";
import { decoderInput, TINY_SPECIAL, tinySentences } from "../helpers/tiny-transformer.ts";

const targets = tinySentences(9, 6).reverse();
const examples = tinySentences(9).map((source, i) => ({
  source,
  targetInput: decoderInput(targets[i]!, TINY_SPECIAL.bos),
}));

async function parityOf(model: Gnmt): Promise<ParityReport> {
  const { tensors, quantization } = exportInt8(model, { special: TINY_SPECIAL });
  const traced = traceModel(model);
  const report = await checkParity(traced, loadReference(tensors, quantization), examples);
  traced.dispose();
  model.dispose();
  return report;
}

const variants: [string, Record<string, unknown>, Record<string, unknown>][] = [
  ["8 bits, 16-bit cells", {}, {}],
  ["two tables", { share_embedding: false }, {}],
  ["two layers", { num_layers: 2 }, {}],
  ["8-bit cells", {}, { quant_cell_bits: 8 }],
  ["one scale for each channel", {}, { quant_per_channel: true }],
  ["4-bit weights, 6-bit activations", {}, { quant_weight_bits: 4, quant_act_bits: 6 }],
  ["TensorFlow's rounding", {}, { quant_rounding: "half_up" }],
];

describe.each(["cpu", "wasm"] as const)("the integer GNMT, against %s", (backend) => {
  beforeAll(() => selectBackend(backend));

  it.each(variants)("has the same codes and logits: %s", async (_, params, quant) => {
    const report = await parityOf(makeTinyGnmt(params, quant));
    expect(report.firstDifference).toBeNull();
    expect(report.differentLogits).toBe(0);
    expect(report.codes).toBeGreaterThan(20_000);
    expect(report.logits).toBe(45 * 37);
  });

  it("decodes the same tokens, step by step", () => {
    const model = makeTinyGnmt();
    const { tensors, quantization } = exportInt8(model, { special: TINY_SPECIAL });
    const reference = loadReference(tensors, quantization);
    const scorer = createModelScorer(model);
    const sources = tinySentences(5, 8);
    const search = { special: TINY_SPECIAL, beamSize: 3, maxSeqLen: 15 };
    expect(gnmtBeamSearch(scorer, sources, search)).toEqual(
      gnmtBeamSearch(reference, sources, search),
    );
    const limits = { special: TINY_SPECIAL, maximumDecodeLength: 12 };
    expect(greedySearch(scorer, sources, limits)).toEqual(greedySearch(reference, sources, limits));
    scorer.close();
    model.dispose();
  });
});
