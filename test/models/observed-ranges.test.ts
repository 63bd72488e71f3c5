/** Models with observed or live ranges: fused and modular ways, cached steps, and checkpoints. */
import * as tf from "@tensorflow/tfjs";
import { beforeAll, describe, expect, it } from "vitest";
import { selectBackend } from "../../src/backends/select.ts";
import { assignWeights } from "../../src/models/load-weights.ts";
import type { Seq2SeqModel } from "../../src/models/model.ts";
import { placementReport } from "../../src/models/placement.ts";
import {
  createPass,
  disposePass,
  type Pass,
  type PassOptions,
  withPass,
} from "../../src/quant/pass.ts";
import { assignObserved } from "../helpers/observed-ranges.ts";
import { makeTinyGnmt } from "../helpers/tiny-gnmt.ts";
import { makeTinyTransformer, tinySentences } from "../helpers/tiny-transformer.ts";

const MODELS = { GNMT: makeTinyGnmt, Transformer: makeTinyTransformer };
const NAMES = ["GNMT", "Transformer"] as const;

const [SOURCE_TIME, TIME, BATCH] = [5, 4, 3];
const sources = tinySentences(9, 8).slice(2, 2 + BATCH);
const lengths = sources.map((ids) => Math.min(ids.length, SOURCE_TIME));
const targets = tinySentences(9, 4).slice(3, 3 + BATCH);

interface Inputs {
  readonly source: tf.Tensor2D;
  readonly sourceLengths: tf.Tensor1D;
  readonly target: tf.Tensor2D;
}

function inputs(): Inputs {
  const padded = (ids: Int32Array, time: number): number[] =>
    Array.from({ length: time }, (_, i) => ids[i] ?? 1);
  return {
    source: tf.tensor2d(
      sources.map((ids) => padded(ids, SOURCE_TIME)),
      undefined,
      "int32",
    ),
    sourceLengths: tf.tensor1d(lengths, "int32"),
    target: tf.tensor2d(
      targets.map((ids) => padded(ids, TIME)),
      undefined,
      "int32",
    ),
  };
}

function logitsIn(model: Seq2SeqModel, pass: Pass): Float32Array {
  return tf.tidy(() => {
    const { source, sourceLengths, target } = inputs();
    return Float32Array.from(model.logits(source, sourceLengths, target, pass).dataSync());
  });
}

const logits = (model: Seq2SeqModel, options: PassOptions): Float32Array =>
  withPass(options, (pass) => logitsIn(model, pass));

function observed(name: keyof typeof MODELS, quant: Record<string, unknown>): Seq2SeqModel {
  const model = MODELS[name]({}, quant);
  assignObserved(model, (pass) => void logitsIn(model, pass));
  return model;
}

/** Logits [time, batch, vocabulary] of cached steps over the same tokens. */
function stepwise(model: Seq2SeqModel, pass: Pass): Float32Array {
  const { source, sourceLengths, target } = inputs();
  let state = model.startState(source, sourceLengths, pass);
  const all: tf.Tensor[] = [];
  for (let t = 0; t < TIME; t++) {
    const ids = tf.tidy(() => tf.reshape<tf.Rank.R1>(tf.slice(target, [0, t], [-1, 1]), [-1]));
    const step = model.step(ids, state, pass);
    all.push(step.logits);
    ({ state } = step);
    ids.dispose();
  }
  model.disposeState(state);
  const values = tf.tidy(() => {
    const stacked = tf.transpose(tf.stack(all), [1, 0, 2]);
    return Float32Array.from(stacked.dataSync());
  });
  tf.dispose([source, sourceLengths, target, ...all]);
  return values;
}

const ASYMMETRIC = {
  quant_weight_mode: "asymmetric_signed",
  quant_act_mode: "asymmetric_unsigned",
  quant_per_channel: true,
};
/** A part of each model that overrides leave out. */
const PART = { GNMT: "**/act_f", Transformer: "**/q_transform/output" };

const settingsOf = (name: keyof typeof PART): [string, Record<string, unknown>][] => {
  const but = (override: Record<string, unknown>) => ({
    ...{ ...ASYMMETRIC, overrides: [{ match: PART[name], ...override }] },
  });
  return [
    ["asymmetric", ASYMMETRIC],
    ["restricted", { quant_act_mode: "symmetric_restricted" }],
    ["a part learnt", but({ quant_act_mode: "symmetric" })],
    ["a part in float", but({ quant_float_bits: 32 })],
    ["distiller-2019", { quant_compat: "distiller-2019" }],
    ["distiller-2020", { ...ASYMMETRIC, quant_compat: "distiller-2020" }],
  ];
};

describe.each(NAMES)("a %s with observed ranges", (name) => {
  beforeAll(() => selectBackend("wasm"));

  it.each(settingsOf(name))(
    "gives the same bits whether or not somebody watches: %s",
    (_, quant) => {
      const model = observed(name, quant);
      const alone = logits(model, { products: "codes" });
      const watched = logits(model, { products: "codes", onCodes: () => undefined });
      expect(watched).toEqual(alone);
      expect(new Set(alone).size).toBeGreaterThan(100);
      // Not integers by accident: the products of values are near, but not the same.
      const values = logits(model, {});
      expect(Math.max(...values.map((v, i) => Math.abs(v - alone[i]!)))).toBeLessThan(0.5);
      model.dispose();
    },
  );

  it.each(settingsOf(name))("gives cached steps the bits of whole sequences: %s", (_, quant) => {
    const model = observed(name, quant);
    const pass = createPass({ products: "codes" });
    expect(stepwise(model, pass)).toEqual(logitsIn(model, pass));
    disposePass(pass);
    model.dispose();
  });

  it("comes back from a checkpoint whole", () => {
    const model = observed(name, ASYMMETRIC);
    const weights = new Map(
      [...model.variables].map(([path, v]) => [path, { shape: v.shape, data: v.dataSync() }]),
    );
    const other = MODELS[name]({}, ASYMMETRIC);
    expect(assignWeights(other, weights, "checkpoint")).toEqual([]);
    expect(logits(other, { products: "codes" })).toEqual(logits(model, { products: "codes" }));
    const float = MODELS[name]({}, null);
    expect(assignWeights(float, weights, "checkpoint")).toEqual([]);
    const missing = assignWeights(
      MODELS[name]({}, { quant_act_mode: "asymmetric_signed" }),
      new Map([...weights].filter(([path]) => !path.endsWith("_scale"))),
      "checkpoint",
    );
    expect(missing.length).toBeGreaterThan(10);
    expect(missing.every((path) => /_(scale|clip_max)$/.test(path))).toBe(true);
    for (const m of [model, other, float]) m.dispose();
  });
});

describe.each(NAMES)("a %s with live ranges", (name) => {
  beforeAll(() => selectBackend("wasm"));

  it("multiplies values, and keeps no scale from one batch to the next", () => {
    const model = observed(name, { quant_dynamic: true });
    const left = placementReport(model).map((product) => product.left);
    expect(left.filter((grid) => grid !== null && !grid.quantizer.includes("softmax"))).toEqual([]);
    const pass = createPass({ products: "codes" });
    const first = logitsIn(model, pass);
    const float = logits(model, { skipQuantization: true });
    expect(first.filter((v, i) => v === float[i])).toHaveLength(0);
    expect(Math.max(...first.map((v, i) => Math.abs(v - float[i]!)))).toBeLessThan(1);
    const [variable] = [...model.variables].find(([path]) => path.endsWith("bias"))!.slice(1) as [
      tf.Variable,
    ];
    const before = variable.clone();
    tf.tidy(() => {
      variable.assign(tf.mul(variable, 50));
    });
    const other = logitsIn(model, pass);
    variable.assign(before);
    before.dispose();
    expect(other).not.toEqual(first);
    expect(logitsIn(model, pass)).toEqual(first);
    // Cached steps see other tensors, and so round otherwise; they must not fail.
    expect(stepwise(model, pass).every(Number.isFinite)).toBe(true);
    disposePass(pass);
    model.dispose();
  });
});
