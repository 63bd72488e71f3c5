/** Layers whose ranges have zero points: exact sums, tables, and what fused operations must equal. */
import * as tf from "@tensorflow/tfjs";
import { beforeAll, describe, expect, it } from "vitest";
import { selectBackend } from "../../src/backends/select.ts";
import { QuantDense } from "../../src/layers/dense.ts";
import { TokenEmbedding } from "../../src/layers/embedding.ts";
import { resolveQuantConfig, type QuantParamsInput } from "../../src/quant/config.ts";
import { withPass } from "../../src/quant/pass.ts";
import type { StaticQuantizer } from "../../src/quant/quantizers.ts";
import { describeBackends } from "../helpers/backend-variants.ts";
import { normals } from "../helpers/numeric.ts";

const ASYMMETRIC = {
  quant_weight_mode: "asymmetric_unsigned",
  quant_act_mode: "asymmetric_unsigned",
} as const satisfies QuantParamsInput;

const f = Math.fround;

describeBackends("a product with zero points", () => {
  it.each([300, 2048])("is the exact sum of %i terms", (inputs) => {
    const quantConfig = resolveQuantConfig({ ...ASYMMETRIC, quant_per_channel: true });
    const flags = { quantizeInput: true, quantizeOutput: false, useBias: false };
    const layer = new QuantDense({ name: "d", units: 3, ...flags, quantConfig });
    layer.build([null, inputs]);
    const kernel = layer.namedVariables().get("d/kernel")!;
    // All of one sign: centred codes up to 255, sums beyond the 24 bits of a float32.
    const weights = normals(inputs * 3, 5).map((v) => 1 + 0.1 * v);
    const x = normals(inputs, 6).map((v) => 2 + 0.1 * v);
    kernel.assign(tf.tensor2d(weights, [inputs, 3]));
    const [input, weight] = ["input", "kernel"].map(
      (name) => layer.quantizers.get(name) as StaticQuantizer,
    ) as [StaticQuantizer, StaticQuantizer];
    input.assignRange({ lo: [-0.1], hi: [2.2] });
    weight.assignRange({ lo: [-0.1, 0, -0.2], hi: [1.2, 1.3, 1.1] });
    const [y, xCodes, wCodes] = tf.tidy(() => {
      const tensor = tf.tensor2d(x, [1, inputs]);
      const result = withPass({ products: "codes" }, (pass) => layer.transform(tensor, pass));
      return [result, input.codes(tensor), weight.codes(kernel)].map((t) => [...t.dataSync()]);
    }) as unknown as [number[], number[], number[]];
    expect(Math.max(...xCodes)).toBeGreaterThan(200);
    const { scale } = weight.range();
    const scaleX = input.range().scale[0]!;
    const expected = [0, 1, 2].map((j) => {
      const sum = xCodes.reduce(
        (acc, code, k) => acc + BigInt(code) * BigInt(wCodes[3 * k + j]!),
        0n,
      );
      if (inputs === 2048) expect(sum).toBeGreaterThan(2n ** 24n);
      return f(f(Number(sum)) * f(scaleX * scale[j]!));
    });
    expect(y).toEqual(expected);
    layer.dispose();
  });
});

describe("a table that also makes logits", () => {
  beforeAll(() => selectBackend("wasm"));

  const [ROWS, DIM] = [7, 4];
  function table(perChannel: boolean): TokenEmbedding {
    const quantConfig = resolveQuantConfig({ ...ASYMMETRIC, quant_per_channel: perChannel });
    const layer = new TokenEmbedding({
      ...{ name: "t", vocabSize: ROWS, dim: DIM, sharesSoftmax: true, quantConfig },
    });
    layer.build([null]);
    return layer;
  }

  it("is rounded once, from its own values, for both", () => {
    const layer = table(false);
    const weights = layer.namedVariables().get("t/weights")!;
    const before = [...weights.dataSync()];
    const quantizer = layer.quantizers.get("weights") as StaticQuantizer;
    quantizer.assignRange({ lo: [Math.min(...before)], hi: [Math.max(...before)] });
    const values = tf.tidy(() => [...quantizer.apply(weights).dataSync()]);
    const [vectors, logits] = tf.tidy(() =>
      withPass({ products: "codes" }, (pass) => {
        const all = layer.embed(tf.range(0, ROWS, 1, "int32"), pass);
        const ones: tf.Tensor2D = tf.eye(DIM);
        return [all, layer.logits(ones, pass)].map((t) => [...t.dataSync()]);
      }),
    ) as unknown as [number[], number[]];
    expect(vectors).toEqual(values);
    const transposed = Array.from({ length: DIM }, (_, d) =>
      Array.from({ length: ROWS }, (_row, row) => values[row * DIM + d]!),
    ).flat();
    expect(logits).toEqual(transposed);
    expect([...weights.dataSync()]).toEqual(before);
    layer.dispose();
  });

  it("has a range for each row, whether or not a text has the token", () => {
    const layer = table(true);
    const weights = layer.namedVariables().get("t/weights")!;
    const rows = Array.from({ length: ROWS }, (_, row) =>
      Array.from(normals(DIM, row + 1), (v) => v * 10 ** -row),
    );
    weights.assign(tf.tensor2d(rows));
    const quantizer = layer.quantizers.get("weights") as StaticQuantizer;
    quantizer.assignRange({
      lo: rows.map((row) => Math.min(...row)),
      hi: rows.map((row) => Math.max(...row)),
    });
    const { scale } = quantizer.range();
    const vectors = tf.tidy(() =>
      withPass({ products: "codes" }, (pass) => [
        ...layer.embed(tf.tensor1d([6, 0, 3], "int32"), pass).dataSync(),
      ]),
    );
    [6, 0, 3].forEach((row, i) => {
      rows[row]!.forEach((v, d) => {
        expect(Math.abs(vectors[i * DIM + d]! - v)).toBeLessThanOrEqual(scale[row]! * 1.01);
      });
    });
    layer.dispose();
  });
});
