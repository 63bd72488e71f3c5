import * as tf from "@tensorflow/tfjs";
import { describe, expect, it } from "vitest";
import { QuantGRU } from "../../src/layers/gru.ts";
import { QuantDense } from "../../src/layers/dense.ts";
import type { Seq2SeqModel } from "../../src/models/model.ts";
import { collectMoments } from "../../src/ptq/product-moments.ts";
import { resolveQuantConfig } from "../../src/quant/config.ts";
import type { Pass, Positions } from "../../src/quant/pass.ts";
import { describeBackends, expectFlatMemory } from "../helpers/backend-variants.ts";
import { expectClose, normalTensor } from "../helpers/numeric.ts";
import { makeTinyGnmt } from "../helpers/tiny-gnmt.ts";
import { makeTinyTransformer } from "../helpers/tiny-transformer.ts";
import { modelOf, tinyPasses } from "./tiny-passes.ts";

/** Plain float64 moments of rows. */
function plainMoments(rows: readonly (readonly number[])[]): { mean: number[]; second: number[] } {
  const [n, k] = [rows.length, rows[0]!.length];
  const mean = Array.from({ length: k }, (_, i) => rows.reduce((s, x) => s + x[i]!, 0) / n);
  const second = Array.from({ length: k * k }, (_, at) => {
    const [i, j] = [Math.floor(at / k), at % k];
    return rows.reduce((s, x) => s + x[i]! * x[j]!, 0) / n;
  });
  return { mean, second };
}

function dense(): QuantDense {
  const layer = new QuantDense({
    ...{ name: "dense", units: 3, quantizeInput: true },
    quantConfig: resolveQuantConfig({ quant_act_clip_max: 2 }),
  });
  layer.build([null, 4]);
  return layer;
}

describeBackends("collectMoments", () => {
  it.each(["quantized", "float"] as const)("are those of %s inputs over all batches", (inputs) => {
    const layer = dense();
    const batches = [3, 5].map((rows, i) => normalTensor<tf.Rank.R2>([rows, 4], 7 + i));
    const passes = batches.map((x) => (pass: Pass) => void layer.transform(x, pass));
    const moments = collectMoments(modelOf(layer), passes, { inputs });
    const seen = moments.byWeight.get("dense/kernel")!;
    const rows = batches.flatMap((x) => {
      const values = inputs === "float" ? x : layer.quantizers.get("input")!.apply(x);
      return (values as tf.Tensor2D).arraySync();
    });
    const plain = plainMoments(rows);
    expect(seen.rows).toBe(8);
    expectClose(seen.mean, plain.mean, 1e-6);
    expectClose(seen.second!, plain.second, 1e-6);
    tf.dispose(batches);
    layer.dispose();
  });

  it.each([
    ["one value for each row", [2, 3], [1, 1, 0, 1, 0, 0]],
    ["an axis that stands for every position", [2, 1], [1, 0]],
    ["all real", [1, 1], [1]],
  ])("leaves padding out, %s", (_, shape, mask) => {
    const layer = dense();
    const x = normalTensor<tf.Rank.R2>([6, 4], 3);
    const pass = (run: Pass): void => {
      const positions: Positions = { mask: tf.tensor(mask, shape), sampleAxes: 1 };
      layer.transform(x, { ...run, positions });
    };
    const seen = collectMoments(modelOf(layer), [pass], { inputs: "float" }).byWeight;
    const { rows, mean, second } = seen.get("dense/kernel")!;
    const wide = mask.flatMap((real) => new Array<number>(6 / mask.length).fill(real));
    const real = x.arraySync().filter((_row, i) => wide[i] === 1);
    const plain = plainMoments(real);
    expect(rows).toBe(real.length);
    expectClose(mean, plain.mean, 1e-6);
    expectClose(second!, plain.second, 1e-6);
    x.dispose();
    layer.dispose();
  });

  it("keep the mean alone beyond the limit", () => {
    const layer = dense();
    const x = normalTensor<tf.Rank.R2>([5, 4], 3);
    const passes = [(pass: Pass) => void layer.transform(x, pass)];
    const options = { inputs: "float", maxInputs: 3 } as const;
    const seen = collectMoments(modelOf(layer), passes, options).byWeight.get("dense/kernel")!;
    expect(seen.second).toBeNull();
    expectClose(seen.mean, plainMoments(x.arraySync()).mean, 1e-6);
    x.dispose();
    layer.dispose();
  });
});

describe("collectMoments of models", () => {
  it.each([
    ["GNMT", makeTinyGnmt, /(linear_att|kernel)$/],
    ["a Transformer", makeTinyTransformer, /kernel$|shared\/weights$/],
  ] as const)("see the product of every weight of %s that has one", (_, make, pattern) => {
    const model: Seq2SeqModel = make();
    const moments = collectMoments(model, tinyPasses(model, 1));
    const floats = collectMoments(model, tinyPasses(model, 1), { inputs: "float" });
    const expected = [...model.variables.keys()].filter((name) => pattern.test(name));
    expect([...moments.byWeight.keys()].sort()).toEqual(expected.sort());
    expect([...floats.byWeight.keys()].sort()).toEqual(expected);
    for (const [name, { inputs, transposed }] of moments.byWeight) {
      const { shape } = model.variables.get(name)!;
      expect(shape[transposed ? 1 : 0], name).toBe(inputs);
      expect(transposed, name).toBe(name.endsWith("/weights"));
    }
    expectFlatMemory(() => void collectMoments(model, tinyPasses(model, 1)));
    model.dispose();
  });

  it("names a weight of which products take some columns", () => {
    const layer = new QuantGRU({
      ...{ name: "gru", units: 3, resetAfter: false },
      quantConfig: resolveQuantConfig({ quant_act_clip_max: 2 }),
    });
    layer.build([null, null, 4]);
    const x = normalTensor<tf.Rank.R3>([3, 2, 4], 3);
    const run = (pass: Pass): void => void layer.run(x, pass);
    const { byWeight, inParts } = collectMoments(modelOf(layer), [run]);
    expect([...byWeight.keys()]).toEqual(["gru/cells/0/fc_gate_x/kernel"]);
    expect(inParts).toEqual(["gru/cells/0/fc_gate_h/kernel"]);
    x.dispose();
    layer.dispose();
  });
});
