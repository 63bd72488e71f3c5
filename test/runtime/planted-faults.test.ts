/** A parity check that cannot fail proves nothing: each planted fault must be found, and named. */
import { beforeAll, describe, expect, it } from "vitest";
import { selectBackend } from "../../src/backends/select.ts";
import { exportInt8, type Int8Export } from "../../src/export/int8.ts";
import {
  formatQuantizationJson,
  type QuantizationRecord,
} from "../../src/formats/quantization-json.ts";
import {
  readSafetensors,
  type SafeTensor,
  writeSafetensors,
} from "../../src/formats/safetensors.ts";
import { traceModel } from "../../src/models/traced-model.ts";
import { checkParity, type ParityReport } from "../../src/runtime/parity.ts";
import { loadReference } from "../../src/runtime/reference/load.ts";
import {
  decoderInput,
  makeTinyTransformer,
  TINY_SPECIAL,
  tinySentences,
} from "../helpers/tiny-transformer.ts";

const DECODER = "SequenceToSequence/TransformerDecoder/layer_0";
const ATTENTION = `${DECODER}/self_attention_prepost_wrapper/self_attention`;
const QKV = `${ATTENTION}/qkv_transform`;
const FFN = `${DECODER}/ffn_prepost_wrapper/ffn`;

const examples = tinySentences(4).map((source) => ({
  source,
  targetInput: decoderInput(source, TINY_SPECIAL.bos),
}));

/** Parity of an unchanged model with an export that has a fault. */
async function parityWith(fault: (exported: Parts) => void): Promise<ParityReport> {
  const model = makeTinyTransformer();
  const parts = openParts(exportInt8(model, { special: TINY_SPECIAL }));
  fault(parts);
  const tensors = writeSafetensors(parts.tensors);
  const reference = loadReference(tensors, formatQuantizationJson(parts.record));
  const traced = traceModel(model);
  const report = await checkParity(traced, reference, examples);
  traced.dispose();
  model.dispose();
  return report;
}

interface Parts {
  readonly tensors: Map<string, SafeTensor>;
  readonly record: QuantizationRecord;
}

function openParts({ tensors, record }: Int8Export): Parts {
  return { tensors: readSafetensors(tensors, "export").tensors, record: structuredClone(record) };
}

function dataOf({ tensors }: Parts, name: string): Float32Array | Int8Array {
  return tensors.get(name)!.data as Float32Array | Int8Array;
}

/** Exchanges the first and the second third of each row. */
function swapQueriesAndKeys(data: Float32Array | Int8Array, rowLength: number): void {
  const third = rowLength / 3;
  for (let start = 0; start < data.length; start += rowLength) {
    const queries = data.slice(start, start + third);
    data.copyWithin(start, start + third, start + 2 * third);
    data.set(queries, start + third);
  }
}

function activationOf({ record }: Parts, path: string) {
  return record.activations[path] as { scale: number; zero_point: number; max: number };
}

const faults: [string, (parts: Parts) => void, string][] = [
  [
    "an activation's scale 1 % too large",
    (parts) => (activationOf(parts, `${FFN}/dense1_activ`).scale *= 1.01),
    `${FFN}/dense1_activ`,
  ],
  [
    "a softmax scale of 1/255",
    (parts) => (activationOf(parts, `${ATTENTION}/softmax`).scale = 1 / 255),
    // The first sentence has one token: a probability of 1 keeps its code but changes its value.
    `${ATTENTION}/output`,
  ],
  [
    "a weight's scale 1 % too large",
    (parts) => (dataOf(parts, `${QKV}/kernel.scale`)[0]! *= 1.01),
    `${QKV}/output`,
  ],
  [
    "a zero point that cuts the range off",
    (parts) => (activationOf(parts, `${QKV}/output`).zero_point = 110),
    `${QKV}/output`,
  ],
  [
    "queries and keys swapped",
    (parts) => {
      swapQueriesAndKeys(dataOf(parts, `${QKV}/kernel`), 36);
      swapQueriesAndKeys(dataOf(parts, `${QKV}/bias`), 36);
    },
    `${QKV}/output`,
  ],
  [
    "one weight code off by one",
    (parts) => {
      const codes = dataOf(parts, `${FFN}/dense1/kernel`);
      codes[7] = codes[7]! > 0 ? codes[7]! - 1 : codes[7]! + 1;
    },
    `${FFN}/dense1_activ`,
  ],
];

describe("parity finds planted faults", () => {
  beforeAll(() => selectBackend("cpu"));

  it("and finds nothing in a faultless export", async () => {
    const report = await parityWith(() => undefined);
    expect(report.different + report.differentLogits).toBe(0);
  });

  it.each(faults)("%s", async (_, fault, quantizer) => {
    const report = await parityWith(fault);
    expect(report.different).toBeGreaterThan(0);
    expect(report.firstDifference?.quantizer).toBe(quantizer);
  });
});
