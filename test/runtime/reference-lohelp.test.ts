/** The executor on the shipped model: against the fake-quantized model, and against float64. */
import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, it } from "vitest";
import { selectBackend } from "../../src/backends/select.ts";
import { greedySearch } from "../../src/decode/greedy.ts";
import { exportInt8, type Int8Export } from "../../src/export/int8.ts";
import { parseInt8Model } from "../../src/formats/int8-model.ts";
import { traceModel } from "../../src/models/traced-model.ts";
import type { Transformer } from "../../src/models/transformer.ts";
import { checkParity } from "../../src/runtime/parity.ts";
import { loadReference } from "../../src/runtime/reference/load.ts";
import type { ReferenceExecutor } from "../../src/runtime/reference/executor.ts";
import { readGolden } from "../helpers/lohelp.ts";
import { LOHELP_SPECIAL, loadQuantizedLohelp } from "../helpers/quantized-lohelp.ts";
import { decoderInput } from "../helpers/tiny-transformer.ts";
import { Float64Transformer } from "./float64-transformer.ts";

const golden = readGolden();
const examples = golden.source_ids.map((source, i) => ({
  source: Int32Array.from(source),
  targetInput: decoderInput(Int32Array.from(golden.target_ids[i]!), LOHELP_SPECIAL.bos),
}));

let model: Transformer;
let exported: Int8Export;
let reference: ReferenceExecutor;

beforeAll(async () => {
  await selectBackend("wasm");
  model = loadQuantizedLohelp();
  exported = exportInt8(model, { special: LOHELP_SPECIAL });
  reference = loadReference(exported.tensors, exported.quantization);
  return () => {
    model.dispose();
  };
});

describe("the reference executor on the shipped model", () => {
  it("has every code and logit of the fake-quantized model", async () => {
    const traced = traceModel(model);
    const report = await checkParity(traced, reference, examples.slice(0, 3));
    traced.dispose();
    expect(report.firstDifference).toBeNull();
    expect(report.different + report.differentLogits).toBe(0);
    expect(report.codes).toBeGreaterThan(500_000);
  });

  it("agrees with a plain float64 evaluation, operation by operation", () => {
    const parsed = parseInt8Model(exported.tensors, exported.quantization, "export");
    let compared = 0;
    for (const { source, targetInput } of examples.slice(3, 5)) {
      const codes = new Map<string, ArrayLike<number>>();
      const logits = reference.logits(source, targetInput, {
        onCodes: (quantizer, values) => codes.set(quantizer, values),
      });
      const plain = new Float64Transformer(parsed, codes);
      const expected = plain.logits(source, targetInput).flat();
      expect([...codes.keys()]).toEqual([]); // all of them used
      compared += plain.compared;
      expect(plain.largestDeviation).toBeLessThan(0.5005);
      const largest = logits.reduce((most, y, i) => Math.max(most, Math.abs(y - expected[i]!)), 0);
      expect(largest).toBeLessThan(2e-5);
    }
    expect(compared).toBeGreaterThan(200_000);
  });

  it("keeps the size of the export at a little over a quarter", () => {
    const bytes = exported.tensors.length + exported.quantization.length;
    const path = "../../pretrained/transformer-lohelp/model.safetensors";
    const floatBytes = readFileSync(new URL(path, import.meta.url)).length;
    expect(bytes / floatBytes).toBeLessThan(0.27);
  });

  it("mostly decodes what the float model decodes", () => {
    const sources = examples.slice(0, 8).map(({ source }) => source);
    const found = greedySearch(reference, sources, { special: LOHELP_SPECIAL });
    const same = found.filter(({ tokens }, i) => {
      return [...tokens].join() === golden.float.greedy!.tokens[i]!.join();
    });
    expect(same.length).toBeGreaterThanOrEqual(5);
  });
});
