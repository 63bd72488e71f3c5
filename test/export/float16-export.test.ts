/** int8 exports of models with parts in half precision. */
import * as tf from "@tensorflow/tfjs";
import { beforeAll, describe, expect, it } from "vitest";
import { selectBackend } from "../../src/backends/select.ts";
import { float16Bits } from "../../src/core/float16.ts";
import { CheckpointError, ExportError, FormatError } from "../../src/errors.ts";
import { assignInt8 } from "../../src/export/dequantized.ts";
import { exportInt8 } from "../../src/export/int8.ts";
import { parseInt8Model } from "../../src/formats/int8-model.ts";
import { readSafetensors, writeSafetensors } from "../../src/formats/safetensors.ts";
import type { Seq2SeqModel } from "../../src/models/model.ts";
import { withPass } from "../../src/quant/pass.ts";
import { loadReference } from "../../src/runtime/reference/load.ts";
import { makeTinyGnmt } from "../helpers/tiny-gnmt.ts";
import { makeTinyTransformer, TINY_SPECIAL } from "../helpers/tiny-transformer.ts";

const MODELS = { GNMT: makeTinyGnmt, Transformer: makeTinyTransformer };
const options = { special: TINY_SPECIAL };
const ROOT = "SequenceToSequence";
const CLASSIFIER = `${ROOT}/decoder/classifier/classifier`;
const half = (match: string) => ({ match, quant_float_bits: 16 });

beforeAll(() => selectBackend("cpu"));

function logits(model: Seq2SeqModel): Float32Array {
  return withPass({ products: "codes" }, (pass) =>
    tf.tidy(() => {
      const source = tf.tensor2d([3, 7, 12, 36, 5, 36, 36, 36], [2, 4], "int32");
      const target = tf.tensor2d([35, 4, 9, 35, 8, 36], [2, 3], "int32");
      const lengths = tf.tensor1d([4, 2], "int32");
      return model.logits(source, lengths, target, pass).dataSync<"float32">().slice();
    }),
  );
}

describe.each([
  ["GNMT", ["decoder/classifier/**", "**/eltwiseadd_*", "embedder"]],
  ["GNMT", ["**"]],
  ["Transformer", ["decoder/**"]],
  ["Transformer", ["**/ffn/dense1", "**/weights"]],
] as const)("an export of %s with %s in half precision", (name, globs) => {
  const quant = { overrides: globs.map(half) };

  it("is the same model again, to the bit", () => {
    const [model, again] = [MODELS[name]({}, quant), MODELS[name]({}, quant)];
    for (const v of again.variables.values())
      tf.tidy(() => {
        v.assign(tf.onesLike(v));
      });
    const { tensors, quantization, record } = exportInt8(model, options);
    const before = logits(model);
    assignInt8(again, parseInt8Model(tensors, quantization, "export"));
    expect(logits(again)).toEqual(before);
    expect(exportInt8(again, options).quantization).toBe(quantization);
    expect(record.float16.length).toBeGreaterThan(0);
    model.dispose();
    again.dispose();
  });
});

describe("half precision in an export", () => {
  const overrides = [half("decoder/classifier/**"), half("encoder/eltwiseadd_residuals/**")];
  const model = makeTinyGnmt({}, { overrides });
  const exported = (): ReturnType<typeof exportInt8> => exportInt8(model, options);

  it("is listed, and its weights take two bytes each", () => {
    const { tensors, record } = exported();
    expect(record.float16).toEqual([
      `${CLASSIFIER}/input`,
      `${CLASSIFIER}/kernel`,
      `${ROOT}/encoder/eltwiseadd_residuals/0/output`,
    ]);
    const file = readSafetensors(tensors, "export").tensors;
    const values = model.variables.get(`${CLASSIFIER}/kernel`)!.dataSync<"float32">();
    const stored = file.get(`${CLASSIFIER}/kernel`)!;
    expect(stored).toMatchObject({ dtype: "F16", shape: [12, 37] });
    expect(stored.data).toEqual(float16Bits(Float32Array.from(values)));
    expect(stored.data.byteLength).toBe(2 * 12 * 37);
    expect([...file].filter(([, { dtype }]) => dtype === "F16").map(([key]) => key)).toEqual([
      `${CLASSIFIER}/kernel`,
    ]);
  });

  it("is refused by a model that has it elsewhere, in its own words", () => {
    const { tensors, quantization } = exported();
    const int8 = parseInt8Model(tensors, quantization, "export");
    for (const [others, message] of [
      [[], /input".*\(float16\), received another precision/],
      [[...overrides, half("embedder")], /embedder.*\(another precision\), received float16/],
    ] as const) {
      const other = makeTinyGnmt({}, { overrides: [...others] });
      expect(() => {
        assignInt8(other, int8);
      }).toThrow(CheckpointError);
      expect(() => {
        assignInt8(other, int8);
      }).toThrow(message);
      other.dispose();
    }
  });

  it("does not run on integers", () => {
    const { tensors, quantization } = exported();
    expect(() => loadReference(tensors, quantization)).toThrow(FormatError);
    expect(() => loadReference(tensors, quantization)).toThrow(
      /expected codes or float32, received half precision/,
    );
  });

  it("must be what the file holds", () => {
    const { tensors, quantization } = exported();
    const file = new Map(readSafetensors(tensors, "export").tensors);
    const name = `${CLASSIFIER}/kernel`;
    const data = new Float32Array(12 * 37);
    const wide = writeSafetensors(file.set(name, { dtype: "F32", shape: [12, 37], data }));
    expect(() => parseInt8Model(wide, quantization, "e")).toThrow("expected float16, received F32");
    const unlisted = quantization.replace(`"${name}"`, `"${name}z"`);
    expect(() => parseInt8Model(tensors, unlisted, "e")).toThrow("expected float32, received F16");
    const twice = quantization.replace(`"${CLASSIFIER}/input"`, `"${name}"`);
    expect(() => parseInt8Model(tensors, twice, "e")).toThrow("different names in their order");
    const sum = `"${ROOT}/encoder/eltwiseadd_residuals/0/output"`;
    const coded = quantization.replace(sum, `"${ROOT}/embedder/weights"`);
    expect(() => parseInt8Model(tensors, coded, "e")).toThrow(
      /embedder\/weights": expected codes or float16, received both/,
    );
    const infinite = new Uint16Array(12 * 37).fill(0x7c00);
    const bad = writeSafetensors(file.set(name, { dtype: "F16", shape: [12, 37], data: infinite }));
    expect(() => parseInt8Model(bad, quantization, "e")).toThrow("finite numbers");
  });

  it("holds no larger numbers than it can", () => {
    const kernel = model.variables.get(`${CLASSIFIER}/kernel`)!;
    const before = kernel.clone();
    tf.tidy(() => {
      kernel.assign(tf.fill(kernel.shape, -65520));
    });
    expect(exported).toThrow(ExportError);
    expect(exported).toThrow(/classifier\/kernel".*within ±65520, received -65520/);
    tf.tidy(() => {
      kernel.assign(tf.fill(kernel.shape, 65519));
    });
    expect(exported).not.toThrow();
    kernel.assign(before);
    before.dispose();
  });
});
