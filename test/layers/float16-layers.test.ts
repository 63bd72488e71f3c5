import * as tf from "@tensorflow/tfjs";
import { describe, expect, it } from "vitest";
import { roundFloat16 } from "../../src/core/float16.ts";
import { BahdanauAttention } from "../../src/layers/bahdanau-attention.ts";
import { QuantDense } from "../../src/layers/dense.ts";
import { EltwiseAdd } from "../../src/layers/elementwise.ts";
import { TokenEmbedding } from "../../src/layers/embedding.ts";
import { QuantLSTM } from "../../src/layers/lstm.ts";
import type { QuantLayer } from "../../src/layers/quant-layer.ts";
import type { Seq2SeqModel } from "../../src/models/model.ts";
import { resolveQuantConfig } from "../../src/quant/config.ts";
import { withPass, type PassOptions, type ProductRecord } from "../../src/quant/pass.ts";
import { describeBackends } from "../helpers/backend-variants.ts";
import { fillVariable, normals, normalTensor } from "../helpers/numeric.ts";
import { makeTinyGnmt } from "../helpers/tiny-gnmt.ts";
import { makeTinyTransformer, tinySentences } from "../helpers/tiny-transformer.ts";

const HALF = resolveQuantConfig({ quant_float_bits: 16 });

function fill(layer: QuantLayer, name: string, values: ArrayLike<number>): void {
  const variable = layer.namedVariables().get(`${layer.name}/${name}`)!;
  let i = 0;
  fillVariable(variable, () => values[i++]!);
}

describeBackends("half precision", () => {
  it.each(["values", "codes"] as const)(
    "rounds weights, inputs and results of a linear map, products of %s",
    (products) => {
      const layer = new QuantDense({
        ...{ name: "dense", units: 2, quantConfig: HALF, quantizeOutput: false },
      });
      layer.build([null, 2]);
      // 2049 and 4097 lie between two numbers of binary16, 1 + 2^−12 and 0.1 too.
      fill(layer, "kernel", [1, 1 + 2 ** -12, 1, 2 ** -11]);
      fill(layer, "bias", [0, 0.1]);
      const x = tf.tensor2d([
        [2049, -2048],
        [1, 4097],
      ]);
      const y = withPass({ products }, (pass) =>
        tf.tidy(() => layer.transform(x, pass).dataSync<"float32">()),
      );
      // Row 0: 2048 − 2048; 2048 − 1 + 0.0999755859375. Row 1: 1 + 4096; 1 + 2 + 0.0999755859375.
      expect([...y]).toEqual([0, 2047.0999755859375, 4097, 3.0999755859375].map(roundFloat16));
      expect([...layer.namedVariables().keys()]).toEqual(["dense/kernel", "dense/bias"]);
      const first = withPass({ products }, (pass) =>
        tf.tidy(() => layer.ofZeros(1, pass).dataSync<"float32">()),
      );
      expect([...first]).toEqual([0, roundFloat16(Math.fround(0.1))]);
      x.dispose();
      layer.dispose();
    },
  );

  it("rounds inputs and results of an elementwise operation that rounds nothing else", () => {
    const add = new EltwiseAdd({ name: "add", quantConfig: HALF, quantizeOutput: false });
    add.build([null, 2]);
    const [a, b] = [tf.tensor2d([[2049, 1]]), tf.tensor2d([[1, 2 ** -11]])];
    const y = withPass({}, (pass) => tf.tidy(() => add.combine([a, b], pass).dataSync()));
    expect([...y]).toEqual([2048, 1]);
    tf.dispose([a, b]);
    add.dispose();
  });

  it("rounds what is quantized afterwards", () => {
    const quantConfig = resolveQuantConfig({
      quant_act_bits: 8,
      overrides: [{ match: "dense/kernel", quant_float_bits: 16 }],
    });
    const layer = new QuantDense({ name: "dense", units: 1, useBias: false, quantConfig });
    layer.build([null, 2]);
    fill(layer, "kernel", [1, 1]);
    fill(layer, "output_clip_max", [127]);
    // 10.5 + 2^−9 is nearer to code 11; in half precision it is 10.5, of which the even code is 10.
    const x = tf.tensor2d([[10, 0.5 + 2 ** -9]]);
    const y = withPass({}, (pass) => tf.tidy(() => layer.transform(x, pass).dataSync()));
    expect([...y]).toEqual([10]);
    x.dispose();
    layer.dispose();
  });

  it.each(["linear_att", "eltwiseadd_qk", "eltwiseadd_norm_bias"])(
    "of %s in an attention does not depend on who watches",
    (name) => {
      const outputs = (overrides: object[], options: PassOptions): Float32Array => {
        const rest = { match: "**", quant_float_bits: 32 };
        const quantConfig = resolveQuantConfig({ overrides: [...overrides, rest] });
        const layer = new BahdanauAttention({ name: "attn", units: 6, quantConfig });
        layer.build([null, null, 6]);
        const r = normalTensor<tf.Rank.R3>([2, 3, 6], 8);
        const values = normalTensor<tf.Rank.R3>([2, 4, 6], 9);
        const y = withPass(options, (pass) =>
          tf.tidy(() => {
            const memory = { values, keys: layer.keysOf(values, pass), lengths: null };
            return layer.attend(layer.queriesOf(r, pass), memory, pass).context.dataSync().slice();
          }),
        );
        tf.dispose([r, values]);
        layer.dispose();
        return y as Float32Array;
      };
      const half = [{ match: `attn/${name}`, quant_float_bits: 16 }];
      const plain = outputs(half, {});
      expect(plain).toEqual(outputs(half, { onProduct: () => undefined }));
      expect(plain).not.toEqual(outputs([], {}));
    },
  );

  it("looks up rounded rows, and makes rounded logits of them", () => {
    const layer = new TokenEmbedding({
      ...{ name: "table", vocabSize: 7, dim: 5, sharesSoftmax: true, quantConfig: HALF },
    });
    layer.build([null]);
    const table = normals(35, 3);
    fill(layer, "weights", table);
    const x = normalTensor<tf.Rank.R2>([4, 5], 4);
    withPass({ products: "codes" }, (pass) => {
      tf.tidy(() => {
        const rows = layer.embed(tf.range(0, 7, 1, "int32"), pass).dataSync<"float32">();
        expect([...rows]).toEqual([...table].map(roundFloat16));
        const logits = layer.logits(x, pass).dataSync<"float32">();
        expect([...logits]).toEqual([...logits].map(roundFloat16));
      });
    });
    x.dispose();
    layer.dispose();
  });

  it.each([
    ["the hidden state's map", "**/fc_gate_h"],
    ["the sum of the gates, which nothing else rounds", "**/eltwiseadd_*"],
    ["all", "**"],
  ])("of %s in an LSTM does not depend on who watches", (_, match) => {
    const outputs = (overrides: object[], options: PassOptions): Float32Array => {
      // All else in float32: codes would hide what half precision changes.
      const rest = { match: "**", quant_float_bits: 32 };
      const quantConfig = resolveQuantConfig({ overrides: [...overrides, rest] });
      const layer = new QuantLSTM({ name: "lstm", units: 4, quantConfig });
      layer.build([null, null, 3]);
      const x = normalTensor<tf.Rank.R3>([5, 2, 3], 8);
      const y = withPass(options, (pass) =>
        tf.tidy(() => layer.run(x, pass).outputs.dataSync<"float32">().slice()),
      );
      x.dispose();
      layer.dispose();
      return y;
    };
    const onProduct = (): void => undefined;
    const half = [{ match, quant_float_bits: 16 }];
    for (const products of ["values", "codes"] as const) {
      const plain = outputs(half, { products });
      expect(plain).toEqual(outputs(half, { products, onProduct }));
      expect(plain).not.toEqual(outputs([], { products }));
    }
  });
});

/** Logits of one batch. */
function logitsOf(model: Seq2SeqModel, options: PassOptions): Float32Array {
  return withPass(options, (pass) =>
    tf.tidy(() => {
      const source = tf.tensor2d([[...tinySentences(9)[8]!]], undefined, "int32");
      const lengths = tf.tensor1d([source.shape[1]], "int32");
      return model.logits(source, lengths, source, pass).dataSync<"float32">().slice();
    }),
  );
}

function distance(a: Float32Array, b: Float32Array): number {
  return Math.max(...a.map((value, i) => Math.abs(value - b[i]!)));
}

describe.each([
  ["GNMT", makeTinyGnmt],
  ["a Transformer", makeTinyTransformer],
])("%s in half precision", (_, make) => {
  it("is much nearer to float32 than codes are, and multiplies no codes", () => {
    const [half, codes] = [make({}, { quant_float_bits: 16 }), make()];
    const records: ProductRecord[] = [];
    const onProduct = (record: ProductRecord): void => void records.push(record);
    const floats = logitsOf(half, { skipQuantization: true });
    const near = distance(logitsOf(half, { products: "codes", onProduct }), floats);
    const far = distance(logitsOf(codes, { products: "codes" }), floats);
    expect(near).toBeGreaterThan(0);
    expect(near).toBeLessThan(0.05 * far);
    expect(records.filter(({ left, right }) => left !== null || right !== null)).toEqual([]);
    expect([...half.variables.keys()].filter((name) => name.endsWith("_clip_max"))).toEqual([]);
    half.dispose();
    codes.dispose();
  });

  it("may be a part of a model", () => {
    const model = make({}, { overrides: [{ match: "decoder/**", quant_float_bits: 16 }] });
    const records: ProductRecord[] = [];
    const onProduct = (record: ProductRecord): void => void records.push(record);
    logitsOf(model, { products: "codes", onProduct });
    const inCodes = records.filter(({ left, right }) => left !== null && right !== null);
    expect(inCodes.length).toBeGreaterThan(0);
    expect(inCodes.filter(({ product }) => product.includes("/decoder/"))).toEqual([]);
    model.dispose();
  });
});
