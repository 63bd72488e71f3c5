/** The integer reference executor against models whose ranges were observed: same codes, same logits. */
import * as tf from "@tensorflow/tfjs";
import { beforeAll, describe, expect, it } from "vitest";
import { selectBackend } from "../../src/backends/select.ts";
import { assignInt8 } from "../../src/export/dequantized.ts";
import { exportInt8 } from "../../src/export/int8.ts";
import { checkGrids } from "../../src/formats/int8-grids.ts";
import { parseInt8Model } from "../../src/formats/int8-model.ts";
import type { Seq2SeqModel } from "../../src/models/model.ts";
import { traceModel } from "../../src/models/traced-model.ts";
import { checkParity } from "../../src/runtime/parity.ts";
import { loadReference } from "../../src/runtime/reference/load.ts";
import { assignObserved } from "../helpers/observed-ranges.ts";
import { makeTinyGnmt } from "../helpers/tiny-gnmt.ts";
import {
  decoderInput,
  makeTinyTransformer,
  TINY_SPECIAL,
  tinySentences,
} from "../helpers/tiny-transformer.ts";

const targets = tinySentences(4, 6).reverse();
const examples = tinySentences(4).map((source, i) => ({
  source,
  targetInput: decoderInput(targets[i]!, TINY_SPECIAL.bos),
}));

const MODELS = { GNMT: makeTinyGnmt, Transformer: makeTinyTransformer };

/** A model with ranges of one example, so that others saturate. */
function observed(name: keyof typeof MODELS, quant: Record<string, unknown>): Seq2SeqModel {
  const model = MODELS[name]({}, quant);
  const { source, targetInput } = examples[2]!;
  assignObserved(model, (pass) => {
    const ids = tf.tensor2d(source, [1, source.length], "int32");
    const input = tf.tensor2d(targetInput, [1, targetInput.length], "int32");
    model.logits(ids, tf.tensor1d([source.length], "int32"), input, pass);
  });
  return model;
}

const both = (mode: string) => ({ quant_weight_mode: mode, quant_act_mode: mode });
const settings: [string, Record<string, unknown>][] = [
  ["asymmetric_signed", both("asymmetric_signed")],
  [
    "asymmetric_unsigned by channel",
    { ...both("asymmetric_unsigned"), quant_per_channel: true, quant_act_bits: 7 },
  ],
  ["symmetric_restricted", both("symmetric_restricted")],
  ["integer factors", { ...both("asymmetric_signed"), quant_scale_approx_mult_bits: 6 }],
  ["asymmetric activations alone", { quant_act_mode: "asymmetric_unsigned" }],
];

describe.each(["GNMT", "Transformer"] as const)("the integer %s", (name) => {
  beforeAll(() => selectBackend("wasm"));

  it.each(settings)("has the model's codes and logits, and goes back: %s", async (_, quant) => {
    const model = observed(name, quant);
    const { tensors, quantization, record } = exportInt8(model, { special: TINY_SPECIAL });
    const traced = traceModel(model);
    const report = await checkParity(traced, loadReference(tensors, quantization), examples);
    expect(report.firstDifference).toBeNull();
    expect(report.differentLogits).toBe(0);
    expect(report.codes).toBeGreaterThan(3_000);
    traced.dispose();
    checkGrids(record, "quantization.json");
    const other = MODELS[name]({}, quant);
    assignInt8(other, parseInt8Model(tensors, quantization, "export"));
    expect(exportInt8(other, { special: TINY_SPECIAL })).toEqual({ tensors, quantization, record });
    for (const m of [model, other]) m.dispose();
  });

  it("does not go back into a model with other grids", () => {
    const model = observed(name, both("asymmetric_signed"));
    const { tensors, quantization } = exportInt8(model, { special: TINY_SPECIAL });
    const int8 = parseInt8Model(tensors, quantization, "export");
    for (const quant of [{}, both("asymmetric_unsigned"), { quant_dynamic: true }]) {
      const other = MODELS[name]({}, quant);
      expect(() => {
        assignInt8(other, int8);
      }).toThrow(/expected what the export has/);
      other.dispose();
    }
    model.dispose();
  });

  it.each([
    [{ quant_dynamic: true }, /a range of its own, received one of each tensor/],
    [{ quant_compat: "distiller-2020" }, /"placement".*received distiller-2020/],
    [{ quant_compat: "distiller-2019" }, /"placement".*received distiller-2019/],
  ])("refuses what it does not compute: %o", (quant, message) => {
    const model = observed(name, quant);
    const { tensors, quantization } = exportInt8(model, { special: TINY_SPECIAL });
    expect(() => loadReference(tensors, quantization)).toThrow(message);
    model.dispose();
  });
});

describe("an export", () => {
  beforeAll(() => selectBackend("cpu"));

  it("holds codes as they are stored: unsigned, with zero points", () => {
    const model = observed("GNMT", { ...both("asymmetric_unsigned"), quant_per_channel: true });
    const { tensors, quantization, record } = exportInt8(model, { special: TINY_SPECIAL });
    const { weights } = parseInt8Model(tensors, quantization, "export");
    const name = "SequenceToSequence/decoder/classifier/classifier/kernel";
    const { codes, zeroPoint, scale } = weights.get(name)!;
    expect(codes).toBeInstanceOf(Uint8Array);
    expect(zeroPoint).toHaveLength(scale.length);
    expect(Math.min(...zeroPoint)).toBeGreaterThan(50);
    expect(record.weights[name]).toMatchObject({ qmin: 0, qmax: 255, clip_max: null });
    const activation = record.activations["SequenceToSequence/encoder/output"]!;
    expect(activation.mode).toBe("asymmetric_unsigned");
    expect(activation.zero_point).toBeGreaterThan(0);
    model.dispose();
  });

  it("records live ranges as what they are", () => {
    const model = observed("GNMT", { quant_dynamic: true, quant_act_clip: "avg" });
    const { record } = exportInt8(model, { special: TINY_SPECIAL });
    expect(record.dynamic_activations["SequenceToSequence/encoder/output"]).toEqual({
      ...{ path: "encoder/output", kind: "act", bits: 8, mode: "symmetric", clip_method: "avg" },
    });
    expect(Object.keys(record.activations)).toEqual([
      "SequenceToSequence/decoder/att_rnn/attn/softmax_att",
    ]);
    model.dispose();
  });

  it("needs a grid", () => {
    const model = makeTinyGnmt({}, { quant_float_bits: 32 });
    expect(() => exportInt8(model, { special: TINY_SPECIAL })).toThrow(
      /expected a quantized weight or activation, received a GNMT/i,
    );
    model.dispose();
  });

  it.each([
    [{ zero_point: 300 }, "expected a zero_point from 0 to 255, received 300"],
    [{ zero_point: 3 }, "expected the range"],
    [{ mode: "asymmetric_signed" }, "expected codes from -128 to 127"],
    [{ mode: "symmetric" }, "expected codes from -128 to 127"],
  ])("is refused where a grid is none: %o", (change, message) => {
    const model = observed("GNMT", both("asymmetric_unsigned"));
    const { record } = exportInt8(model, { special: TINY_SPECIAL });
    const path = "SequenceToSequence/encoder/output";
    const activations = {
      ...record.activations,
      [path]: { ...record.activations[path]!, ...(change as object) },
    };
    expect(() => {
      checkGrids({ ...record, activations }, "quantization.json");
    }).toThrow(message);
    model.dispose();
  });
});
