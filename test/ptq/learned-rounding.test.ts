import * as tf from "@tensorflow/tfjs";
import { beforeAll, describe, expect, it } from "vitest";
import { selectBackend } from "../../src/backends/select.ts";
import { QuantDense } from "../../src/layers/dense.ts";
import { TokenEmbedding } from "../../src/layers/embedding.ts";
import type { Seq2SeqModel } from "../../src/models/model.ts";
import { correctBiases } from "../../src/ptq/bias-correction.ts";
import { learnRounding, type RoundingProgress } from "../../src/ptq/learned-rounding.ts";
import { collectMoments, type ProductMoments } from "../../src/ptq/product-moments.ts";
import { copyRoundedWeights, roundedWeights } from "../../src/ptq/quantized-weights.ts";
import { flipRounding, type FlipProblem } from "../../src/ptq/rounding-flips.ts";
import { searchRounding } from "../../src/ptq/rounding-search.ts";
import { resolveQuantConfig } from "../../src/quant/config.ts";
import type { Pass } from "../../src/quant/pass.ts";
import { normals, normalTensor } from "../helpers/numeric.ts";
import { makeTinyGnmt } from "../helpers/tiny-gnmt.ts";
import { makeTinyTransformer } from "../helpers/tiny-transformer.ts";
import { modelOf, tinyPasses } from "./tiny-passes.ts";

const INPUTS = 6;
const OUTPUTS = 20;

/** H of inputs that go together, and random places between grid values of step 1. */
function correlated(): FlipProblem & { readonly nearest: Float32Array } {
  const mix = normals(INPUTS * 3, 5);
  const hessian = new Float64Array(INPUTS * INPUTS);
  for (let k = 0; k < INPUTS; k++) {
    for (let l = 0; l < INPUTS; l++) {
      const shared = [0, 1, 2].reduce((s, f) => s + mix[k * 3 + f]! * mix[l * 3 + f]!, 0);
      hessian[k * INPUTS + l] = shared + (k === l ? 0.3 : 0);
    }
  }
  const error = normals(INPUTS * OUTPUTS, 6).map((value) => Math.floor(value) - value);
  const width = new Float32Array(error.length).fill(1);
  const nearest = error.map((e) => (e < -0.5 ? 1 : 0));
  return { inputs: INPUTS, outputs: OUTPUTS, error, width, hessian, nearest };
}

/** dᵀ·H·d of one output. */
function errorOf({ error, hessian }: FlipProblem, up: (k: number) => number, n: number): number {
  let sum = 0;
  for (let k = 0; k < INPUTS; k++) {
    for (let l = 0; l < INPUTS; l++) {
      const [dk, dl] = [k, l].map((at) => error[at * OUTPUTS + n]! + up(at)) as [number, number];
      sum += hessian[k * INPUTS + l]! * dk * dl;
    }
  }
  return sum;
}

/** Least error of each output over all 2^INPUTS roundings. */
function bruteForce(problem: FlipProblem): number[] {
  return Array.from({ length: OUTPUTS }, (_, n) => {
    const all = Array.from({ length: 2 ** INPUTS }, (_bits, bits) =>
      errorOf(problem, (k) => (bits >> k) & 1, n),
    );
    return Math.min(...all);
  });
}

function mean(values: ArrayLike<number>): number {
  return Array.from(values).reduce((sum, value) => sum + value, 0) / values.length;
}

function errorsWith(problem: FlipProblem, ups: Float32Array): number[] {
  return Array.from({ length: OUTPUTS }, (_, n) =>
    errorOf(problem, (k) => ups[k * OUTPUTS + n]!, n),
  );
}

async function searched(problem: ReturnType<typeof correlated>): Promise<Float32Array> {
  const error = tf.tensor2d(problem.error, [INPUTS, OUTPUTS]);
  const low = tf.zerosLike(error);
  const high = tf.onesLike(error);
  const nearest = tf.tensor2d(problem.nearest, [INPUTS, OUTPUTS]);
  const hessian = tf.tensor2d(Float32Array.from(problem.hessian), [INPUTS, INPUTS]);
  const ups = await searchRounding({ low, high, error, nearest, hessian });
  const values = ups.dataSync<"float32">().slice();
  tf.dispose([error, low, high, nearest, hessian, ups]);
  return values;
}

describe("the search for a rounding", () => {
  beforeAll(() => selectBackend("wasm"));

  it("comes near the best of all roundings by gradients alone", async () => {
    const problem = correlated();
    const best = mean(bruteForce(problem));
    const nearest = mean(errorsWith(problem, problem.nearest));
    const found = mean(errorsWith(problem, await searched(problem)));
    expect(nearest).toBeGreaterThan(2.5 * best);
    expect(found).toBeLessThan(1.8 * best);
  });

  it("comes nearer where single choices are turned over, output by output", async () => {
    const problem = correlated();
    const best = bruteForce(problem);
    const ups = await searched(problem);
    const found = errorsWith(problem, ups);
    const { ups: flipped, errors } = flipRounding(problem, ups);
    const exact = errorsWith(problem, flipped);
    exact.forEach((error, n) => {
      expect(errors[n]).toBeCloseTo(error, 8);
      expect(error).toBeLessThanOrEqual(found[n]! * (1 + 1e-9));
      for (let k = 0; k < INPUTS; k++) {
        const turned = (at: number): number => {
          const up = flipped[at * OUTPUTS + n]!;
          return at === k ? 1 - up : up;
        };
        expect(errorOf(problem, turned, n)).toBeGreaterThanOrEqual(error * (1 - 1e-6));
      }
    });
    expect(mean(exact)).toBeLessThan(1.4 * mean(best));
  });

  it("rounds to the nearest where inputs have nothing in common", async () => {
    const problem = correlated();
    problem.hessian.fill(0);
    for (let k = 0; k < INPUTS; k++) problem.hessian[k * INPUTS + k] = 0.5;
    expect(await searched(problem)).toEqual(problem.nearest);
    expect(flipRounding(problem, problem.nearest).ups).toEqual(problem.nearest);
  });
});

/** Codes of all quantized weights. */
function codesOf(model: Seq2SeqModel): Map<string, Int16Array> {
  return new Map(
    model.layers().flatMap((layer) =>
      [...layer.quantizers.values()]
        .filter(({ kind }) => kind === "weight")
        .map(({ path }) => {
          const name = path.slice(path.lastIndexOf("/") + 1);
          return [path, Int16Array.from(layer.quantizedWeight(name).codes)] as const;
        }),
    ),
  );
}

/** The model with weight clips that cut nothing off. */
function unclipped(model: Seq2SeqModel): Seq2SeqModel {
  for (const { variable, quantizer } of roundedWeights(model).values()) {
    const { axis } = quantizer;
    const largest = tf.tidy(() => {
      const others = variable.shape.map((_, i) => i).filter((i) => i !== axis);
      return tf.max(tf.abs(variable), axis === null ? undefined : others).dataSync();
    });
    quantizer.assignRange({ lo: largest.map((most) => -most), hi: largest });
  }
  return model;
}

const FEW = { iterations: 60 };

describe("learnRounding", () => {
  beforeAll(() => selectBackend("wasm"));

  it.each([
    ["GNMT", makeTinyGnmt, { quant_weight_bits: 4 }],
    [
      "GNMT by channel, half up",
      makeTinyGnmt,
      { quant_rounding: "half_up", quant_per_channel: true, quant_weight_bits: 2 },
    ],
    [
      "a Transformer by channel",
      makeTinyTransformer,
      { quant_per_channel: true, quant_weight_bits: 4 },
    ],
  ] as const)("lowers the error of %s by neighbouring codes", async (_, make, quant) => {
    const model = unclipped(make({}, { ...quant }));
    const nearest = codesOf(model);
    const clips = clipsOf(model);
    const originals = copyRoundedWeights(model);
    const { learned, skipped } = await learnRounding(
      model,
      collectMoments(model, tinyPasses(model, 1)),
      FEW,
    );
    expect(learned.length).toBeGreaterThan(10);
    for (const { weight, nearestError, learnedError, changed } of learned) {
      expect(learnedError, weight).toBeLessThanOrEqual(nearestError * (1 + 1e-6));
      expect(changed, weight).toBeLessThan(0.5);
    }
    const ratio = mean(
      learned.map(({ nearestError: n, learnedError: l }) => (n === 0 ? 1 : l / n)),
    );
    expect(ratio).toBeLessThan(0.7);
    expect(clipsOf(model)).toEqual(clips);
    const codes = codesOf(model);
    for (const [name, before] of nearest) {
      const after = codes.get(name)!;
      expect(Math.max(...after.map((code, i) => Math.abs(code - before[i]!))), name).toBeLessThan(
        2,
      );
      const isLearned = learned.find(({ weight }) => weight === name);
      const moved = after.filter((code, i) => code !== before[i]).length;
      expect(moved, name).toBe(Math.round((isLearned?.changed ?? 0) * after.length));
    }
    for (const { weight } of skipped) {
      expect(model.variables.get(weight)!.dataSync()).toEqual(originals.get(weight)!.dataSync());
    }
    tf.dispose([...originals.values()]);
    model.dispose();
  });

  it("stores fround(code · scale), which every bit width gives back", async () => {
    for (const bits of [2, 3, 5, 8]) {
      const { model, layer, moments } = denseCase({ quant_weight_bits: bits });
      await learnRounding(model, moments, FEW);
      const { codes, scale } = layer.quantizedWeight("kernel");
      const stored = model.variables.get("dense/kernel")!.dataSync();
      expect([...stored]).toEqual(Array.from(codes, (code) => Math.fround(code * scale[0]!)));
      layer.dispose();
    }
  });

  it("gives the same bits twice", async () => {
    const runs = await Promise.all(
      [0, 1].map(async () => {
        const { model, layer, moments } = denseCase();
        await learnRounding(model, moments, FEW);
        const values = model.variables.get("dense/kernel")!.dataSync().slice();
        layer.dispose();
        return values;
      }),
    );
    expect(runs[0]).toEqual(runs[1]);
  });

  it("lays a softmax table out by its product, and leaves what is only looked up", async () => {
    const layer = new TokenEmbedding({
      ...{ name: "table", vocabSize: 30, dim: 8, sharesSoftmax: true },
      quantConfig: resolveQuantConfig({ quant_weight_bits: 3, quant_per_channel: true }),
    });
    layer.build([null]);
    const model = unclipped(modelOf(layer));
    const x: tf.Tensor2D = normalTensor<tf.Rank.R2>([50, 3], 4);
    const mix: tf.Tensor2D = normalTensor<tf.Rank.R2>([3, 8], 5);
    const inputs: tf.Tensor2D = tf.matMul(x, mix);
    const originals = copyRoundedWeights(model);
    const outputError = (): number =>
      tf.tidy(() => {
        const table = model.variables.get("table/weights")!;
        const error: tf.Tensor2D = tf.sub(table, originals.get("table/weights")!);
        const output = tf.matMul(inputs, error, false, true);
        return tf.mean(tf.square(output)).dataSync()[0]!;
      });
    const moments = collectMoments(model, [(pass) => void layer.logits(inputs, pass)]);
    const { learned } = await learnRounding(model, moments, FEW);
    expect(learned[0]!.learnedError).toBeLessThan(0.5 * learned[0]!.nearestError);
    expect(outputError()).toBeCloseTo(learned[0]!.learnedError, 4);
    const lookups: ProductMoments = { byWeight: new Map(), inParts: [] };
    expect((await learnRounding(model, lookups)).skipped).toEqual([
      { weight: "table/weights", reason: "no product seen" },
    ]);
    tf.dispose([x, mix, inputs, ...originals.values()]);
    layer.dispose();
  });

  it("leaves the mean error to a bias that will be corrected", async () => {
    const errors = await Promise.all(
      [false, true].map(async (correctsBiases) => {
        const { model, layer, moments, x } = denseCase({}, 2);
        const originals = copyRoundedWeights(model);
        const kernel = originals.get("dense/kernel")! as tf.Tensor2D;
        const wanted = tf.tidy(() => tf.add(tf.matMul(x, kernel), layer.bias!));
        await learnRounding(model, moments, { ...FEW, correctsBiases });
        correctBiases(model, moments, originals);
        const error = tf.tidy(() => {
          const rounded = model.variables.get("dense/kernel")! as unknown as tf.Tensor2D;
          const output = tf.add(tf.matMul(x, rounded), layer.bias!);
          return tf.mean(tf.square(tf.sub(output, wanted))).dataSync()[0]!;
        });
        tf.dispose([wanted, ...originals.values()]);
        layer.dispose();
        return error;
      }),
    );
    expect(errors[1]).toBeLessThan(errors[0]!);
  });

  it("tells how far it is, ends when aborted, and leaks nothing", async () => {
    const { model, layer, moments } = denseCase();
    const seen: RoundingProgress[] = [];
    const before = tf.memory().numTensors;
    await learnRounding(model, moments, { ...FEW, onProgress: (at) => seen.push(at) });
    expect(seen.map(({ done }) => done)).toEqual([0, 20, 40, 60]);
    expect(seen.every(({ total, weight }) => total === 60 && weight === "dense/kernel")).toBe(true);
    const controller = new AbortController();
    const codes = layer.quantizedWeight("kernel").codes;
    const onProgress = ({ done }: RoundingProgress): void => {
      if (done === 40) controller.abort();
    };
    const run = learnRounding(model, moments, { ...FEW, onProgress, signal: controller.signal });
    await expect(run).rejects.toThrow(/abort/i);
    expect(layer.quantizedWeight("kernel").codes).toEqual(codes);
    expect(tf.memory().numTensors).toBe(before);
    layer.dispose();
  });
});

function clipsOf(model: Seq2SeqModel): Map<string, number[]> {
  const clips = [...model.variables].filter(([name]) => name.endsWith("_clip_max"));
  return new Map(clips.map(([name, clip]) => [name, [...clip.dataSync()]]));
}

/** A dense layer, and inputs that go together. @param shift mean of the inputs */
function denseCase(quant: Record<string, unknown> = { quant_weight_bits: 4 }, shift = 0) {
  const layer = new QuantDense({
    ...{ name: "dense", units: 10, quantizeOutput: false },
    quantConfig: resolveQuantConfig({ quant_weight_bits: 3, ...quant }),
  });
  layer.build([null, 12]);
  const model = unclipped(modelOf(layer));
  const x = tf.tidy((): tf.Tensor2D => {
    const mixed = tf.matMul(
      normalTensor<tf.Rank.R2>([60, 4], 3),
      normalTensor<tf.Rank.R2>([4, 12], 4),
    );
    return tf.add<tf.Tensor2D>(mixed, shift);
  });
  const moments = collectMoments(model, [(pass: Pass) => void layer.transform(x, pass)]);
  return { model, layer, moments, x };
}
