import * as tf from "@tensorflow/tfjs";
import { beforeAll, describe, expect, it } from "vitest";
import { selectBackend } from "../../src/backends/select.ts";
import { QuantDense } from "../../src/layers/dense.ts";
import type { Seq2SeqModel } from "../../src/models/model.ts";
import { correctBiases } from "../../src/ptq/bias-correction.ts";
import { collectMoments } from "../../src/ptq/product-moments.ts";
import { copyRoundedWeights } from "../../src/ptq/quantized-weights.ts";
import { resolveQuantConfig } from "../../src/quant/config.ts";
import { withPass, type Pass } from "../../src/quant/pass.ts";
import { normalTensor } from "../helpers/numeric.ts";
import { makeTinyGnmt } from "../helpers/tiny-gnmt.ts";
import { makeTinyTransformer } from "../helpers/tiny-transformer.ts";
import { modelOf, tinyPasses } from "./tiny-passes.ts";

const COARSE = { quant_weight_bits: 3 };

/** A dense layer of which only the kernel is rounded, and inputs whose means are far from 0. */
function denseCase(): { layer: QuantDense; x: tf.Tensor2D } {
  const layer = new QuantDense({
    ...{ name: "dense", units: 5, quantizeOutput: false },
    quantConfig: resolveQuantConfig({ ...COARSE, quant_weight_clip_max: 0.9 }),
  });
  layer.build([null, 6]);
  const x = tf.tidy(() => tf.add<tf.Tensor2D>(normalTensor([40, 6], 3), 1.5));
  return { layer, x };
}

/** Mean over rows of outputs. */
function meanOutput(layer: QuantDense, x: tf.Tensor2D, isFloat: boolean): Float32Array {
  return withPass({ skipQuantization: isFloat }, (pass) =>
    tf.tidy(() => tf.mean(layer.transform(x, pass), 0).dataSync<"float32">()),
  );
}

function distance(a: Float32Array, b: Float32Array): number {
  return Math.max(...a.map((value, i) => Math.abs(value - b[i]!)));
}

describe("correctBiases", () => {
  beforeAll(() => selectBackend("wasm"));

  it("takes the mean error off the output of a layer", () => {
    const { layer, x } = denseCase();
    const model = modelOf(layer);
    const wanted = meanOutput(layer, x, true);
    expect(distance(meanOutput(layer, x, false), wanted)).toBeGreaterThan(0.05);
    const codes = layer.quantizedWeight("kernel").codes;
    const moments = collectMoments(model, [(pass) => void layer.transform(x, pass)]);
    const { shifts, skipped } = correctBiases(model, moments);
    expect(distance(meanOutput(layer, x, false), wanted)).toBeLessThan(1e-5);
    expect(layer.quantizedWeight("kernel").codes).toEqual(codes);
    expect(skipped).toEqual([]);
    const { rms, largest } = shifts[0]!;
    expect(largest).toBeGreaterThan(0.05);
    expect(rms).toBeLessThanOrEqual(largest);
    x.dispose();
    layer.dispose();
  });

  it("compares with the original weights where the variables are already on the grid", () => {
    const { layer, x } = denseCase();
    const model = modelOf(layer);
    const wanted = meanOutput(layer, x, true);
    const originals = copyRoundedWeights(model);
    const kernel = model.variables.get("dense/kernel")!;
    tf.tidy(() => {
      kernel.assign(layer.quantizers.get("kernel")!.apply(kernel));
    });
    const moments = collectMoments(model, [(pass) => void layer.transform(x, pass)]);
    correctBiases(model, moments, originals);
    expect(distance(meanOutput(layer, x, false), wanted)).toBeLessThan(1e-5);
    tf.dispose([x, ...originals.values()]);
    layer.dispose();
  });

  it.each([
    ["GNMT", makeTinyGnmt],
    ["a Transformer", makeTinyTransformer],
  ])("brings mean outputs of %s nearer, and changes nothing but biases", (_, make) => {
    const model: Seq2SeqModel = make({}, COARSE);
    // Small clips would make errors of every mean, which no bias of a first layer can undo.
    for (const [name, clip] of model.variables) {
      if (name.endsWith("_clip_max")) {
        tf.tidy(() => {
          clip.assign(tf.add(clip, 0.5));
        });
      }
    }
    const before = new Map([...model.variables].map(([name, v]) => [name, v.dataSync().slice()]));
    const passes = tinyPasses(model);
    const wanted = meansOfProducts(model, passes, true);
    const coarse = meansOfProducts(model, passes, false);
    const { shifts, skipped } = correctBiases(model, collectMoments(model, passes));
    const corrected = meansOfProducts(model, passes, false);
    const changed = [...model.variables].filter(([name, v]) => {
      return v.dataSync().some((value, i) => value !== before.get(name)![i]);
    });
    const layers = shifts.map(({ weight }) => weight.slice(0, weight.lastIndexOf("/")));
    expect(changed.map(([name]) => name).sort()).toEqual(layers.map((l) => `${l}/bias`).sort());
    expect(shifts.length).toBeGreaterThan(8);
    const withoutBias = /embedder|embedding|modality|linear_/;
    expect(skipped.filter(({ weight }) => !withoutBias.test(weight))).toEqual([]);
    expect(norm(corrected, wanted, layers)).toBeLessThan(norm(coarse, wanted, layers));
    model.dispose();
  });
});

/** Means over positions of x·W + bias, float or rounded, by layer. */
function meansOfProducts(
  model: Seq2SeqModel,
  passes: readonly ((pass: Pass) => void)[],
  isFloat: boolean,
): Map<string, Float32Array> {
  const inputs = isFloat ? "float" : "quantized";
  const { byWeight } = collectMoments(model, passes, { inputs });
  const quantizers = model.layers().flatMap((layer) => [...layer.quantizers.values()]);
  return new Map(
    [...byWeight].flatMap(([name, { mean, transposed }]) => {
      const layer = name.slice(0, name.lastIndexOf("/"));
      const bias = model.variables.get(`${layer}/bias`);
      if (bias === undefined) return [];
      const values = tf.tidy(() => {
        const weight = model.variables.get(name)! as tf.Tensor;
        const used = isFloat ? weight : quantizers.find((q) => q.path === name)!.apply(weight);
        const row = tf.tensor2d(Float32Array.from(mean), [1, mean.length]);
        const sum = tf.matMul(row, used, false, transposed);
        return tf.add(sum, bias).dataSync<"float32">();
      });
      return [[layer, values] as const];
    }),
  );
}

function norm(
  a: ReadonlyMap<string, Float32Array>,
  b: ReadonlyMap<string, Float32Array>,
  layers: readonly string[],
): number {
  const squares = layers.flatMap((layer) => {
    const other = b.get(layer)!;
    return [...a.get(layer)!].map((value, i) => (value - other[i]!) ** 2);
  });
  return Math.sqrt(squares.reduce((sum, value) => sum + value, 0));
}
