import * as tf from "@tensorflow/tfjs";
import { beforeAll, describe, expect, it } from "vitest";
import { selectBackend } from "../../src/backends/select.ts";
import { ConfigError } from "../../src/errors.ts";
import { exportInt8 } from "../../src/export/int8.ts";
import { assignWeights } from "../../src/models/load-weights.ts";
import { createModel } from "../../src/models/catalogue.ts";
import type { Seq2SeqModel } from "../../src/models/model.ts";
import { collectStats } from "../../src/ptq/collect-stats.ts";
import {
  applyQuantization,
  prepareQuantization,
  quantizeModel,
} from "../../src/ptq/quantize-model.ts";
import { parseOverrides } from "../../src/ptq/overrides.ts";
import { printPlan } from "../../src/ptq/print-plan.ts";
import { treatmentLines } from "../../src/ptq/treatments.ts";
import {
  resolveQuantConfig,
  type QuantParamsInput,
  toQuantParams,
} from "../../src/quant/config.ts";
import { StaticQuantizer } from "../../src/quant/quantizers.ts";
import { shortPath } from "../../src/models/layer-paths.ts";
import type { QuantReport } from "../../src/ptq/report.ts";
import { withPass } from "../../src/quant/pass.ts";
import { statisticsFor } from "../helpers/model-statistics.ts";
import { makeTinyGnmt } from "../helpers/tiny-gnmt.ts";
import { makeTinyTransformer, TINY_SPECIAL } from "../helpers/tiny-transformer.ts";

beforeAll(async () => {
  await selectBackend("cpu");
});

const MODELS = {
  GNMT: (quant: Record<string, unknown> | null): Seq2SeqModel => makeTinyGnmt({}, quant),
  Transformer: (quant: Record<string, unknown> | null): Seq2SeqModel =>
    makeTinyTransformer({}, quant),
};

function logits(model: Seq2SeqModel, onCodes?: (path: string, codes: tf.Tensor) => void) {
  return withPass({ products: "codes", ...(onCodes && { onCodes }) }, (pass) =>
    tf.tidy(() => {
      const source = tf.tensor2d([3, 7, 12, 36, 5, 36, 36, 36], [2, 4], "int32");
      const target = tf.tensor2d([35, 4, 9, 35, 8, 36], [2, 3], "int32");
      return model.logits(source, tf.tensor1d([4, 2], "int32"), target, pass).dataSync();
    }),
  );
}

/** Largest difference of logits, against their deviation. */
function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [error, square] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    error += (a[i]! - b[i]!) ** 2;
    square += b[i]! ** 2;
  }
  return Math.sqrt(error / square);
}

/** Each mode with the error that it may make on random weights. */
const SETTINGS: [name: string, params: QuantParamsInput, error: number][] = [
  ["the defaults", {}, 0.05],
  ["per tensor, no clip", { quant_per_channel: false, quant_act_clip: "none" }, 0.1],
  [
    "asymmetric",
    { quant_act_mode: "asymmetric_signed", quant_weight_mode: "asymmetric_signed" },
    0.05,
  ],
  [
    "restricted",
    { quant_act_mode: "symmetric_restricted", quant_weight_mode: "symmetric_restricted" },
    0.05,
  ],
  ["distiller-2019", { quant_compat: "distiller-2019" }, 0.2],
  [
    "distiller-2020",
    { quant_compat: "distiller-2020", quant_act_mode: "asymmetric_unsigned" },
    0.2,
  ],
];

describe.each(["GNMT", "Transformer"] as const)("quantizing the tiny %s", (name) => {
  const float = MODELS[name](null);
  const weightsBefore = [...float.variables].map(([key, v]) => [key, [...v.dataSync()]]);
  let before: ArrayLike<number> = [];
  beforeAll(() => {
    before = logits(float);
  });

  it.each(SETTINGS)("stays close to the float model with %s", (_, quantParams, error) => {
    const layout = MODELS[name](quantParams);
    const statistics = statisticsFor(layout, 3);
    layout.dispose();
    const { model, report } = quantizeModel(float, { statistics, quantParams });
    expectReported(model, report);
    const after = logits(model);
    expect(distance(after, before)).toBeLessThan(error);
    expect(distance(after, before)).toBeGreaterThan(1e-4);
    expect(report.notes).toEqual([]);
    // A checkpoint of its variables, in a model built from its settings, is the same model.
    const config = model.layers()[0]!.quantConfig!;
    const again = createModel(name, {
      params: model.params,
      ...{ sourceVocabSize: model.sourceVocabSize, targetVocabSize: model.targetVocabSize },
      quantConfig: resolveQuantConfig(JSON.parse(JSON.stringify(toQuantParams(config)))),
      seed: 9,
    });
    const weights = new Map(
      Array.from(model.variables, ([key, v]) => [key, { shape: v.shape, data: v.dataSync() }]),
    );
    expect(assignWeights(again, weights, "again")).toEqual([]);
    expect([...logits(again)]).toEqual([...after]);
    expect(() => exportInt8(again, { special: TINY_SPECIAL })).not.toThrow();
    again.dispose();
    model.dispose();
  });

  it("finds the ranges of all its quantizers in statistics of the float model", async () => {
    const statistics = await collectStats(float, (watched) => logits(watched));
    for (const compat of ["none", "distiller-2019"] as const) {
      const options = { statistics, quantParams: { quant_compat: compat } };
      const { model, report } = quantizeModel(float, options);
      expect(report.notes).toEqual([]);
      expect(distance(logits(model), before)).toBeLessThan(compat === "none" ? 0.02 : 0.04);
      model.dispose();
    }
  });

  it("leaves the given model as it is", () => {
    expect([...logits(float)]).toEqual(Array.from(before));
    expect([...float.variables].map(([key, v]) => [key, [...v.dataSync()]])).toEqual(weightsBefore);
  });

  it("takes ranges of the live tensors without statistics", () => {
    const { model, report } = quantizeModel(float);
    expect(distance(logits(model), before)).toBeLessThan(0.05);
    const live = report.tensors.filter(({ source }) => source === "live");
    expect(live.length).toBeGreaterThan(5);
    expect(live.every(({ scale, sqnr_db: sqnr }) => scale === null && sqnr === null)).toBe(true);
    model.dispose();
  });
});

describe("a quantized GNMT", () => {
  const float = makeTinyGnmt({}, null);
  const layout = makeTinyGnmt({}, {});
  const wide = statisticsFor(layout, 35);
  const cell = "encoder/rnn_layers/0/cells/0";

  it("spends the codes of gate sums on what sigmoid and tanh tell apart", () => {
    const { model, report } = quantizeModel(float, { statistics: wide });
    const ends = (path: string): number =>
      report.tensors.find((tensor) => tensor.path === path)!.max!;
    expect(ends(`${cell}/act_f/input`)).toBeLessThanOrEqual(6);
    expect(ends(`${cell}/act_f/input`)).toBeGreaterThan(5.5);
    expect(ends(`${cell}/act_g/input`)).toBeLessThanOrEqual(4);
    expect(ends(`${cell}/fc_gate_x/input`)).toBeGreaterThan(20);
    const quantizer = model
      .layers()
      .find(({ name }) => name.endsWith(`${cell}/act_f`))!
      .quantizers.get("input") as StaticQuantizer;
    // All codes within the range that matters; over ±35 the same values would have about 51.
    const codes = tf.tidy(() => quantizerCodes(quantizer, tf.linspace(-6.1, 6.1, 5000)));
    expect(new Set(codes).size).toBe(256);
    model.dispose();
  });

  it("has one range of ±6 for an LSTM's gates under distiller-2019, and no other limit", () => {
    const quantParams = { quant_compat: "distiller-2019" } as const;
    const placed = makeTinyGnmt({}, quantParams);
    const statistics = statisticsFor(placed, 35);
    placed.dispose();
    const { model, report } = quantizeModel(float, { statistics, quantParams });
    const scales = new Map(report.tensors.map(({ path, scale }) => [path, scale as number]));
    expect(scales.get(`${cell}/eltwiseadd_gate/output`)).toBeCloseTo(6 / 127, 7);
    const others = report.tensors.filter(
      ({ path, role }) => role !== "weight" && !path.endsWith("eltwiseadd_gate/output"),
    );
    for (const { scale } of others) expect(scale).toBeCloseTo(35 / 127, 6);
    model.dispose();
  });

  it("has dynamic ranges where statistics are missing, and says so", () => {
    const some = new Map([...wide].filter(([path]) => path !== "decoder/classifier/classifier"));
    const { model, report } = quantizeModel(float, { statistics: some });
    expect(report.notes).toEqual([
      "decoder/classifier/classifier/input: no statistics, its range is that of the live tensor",
    ]);
    expect(logits(model).every(Number.isFinite)).toBe(true);
    model.dispose();
  });

  it("follows overrides of either dialect before those of the settings", () => {
    const texts = [
      "decoder/classifier/**: {quant_act_clip: avg, quant_weight_bits: 5}",
      "decoder.classifier.classifier: {clip_acts: AVG, bits_weights: 5}",
    ];
    for (const text of texts) {
      const { model, plan } = prepareQuantization(float, {
        statistics: wide,
        overrides: parseOverrides(text, "o.yaml"),
        quantParams: { overrides: [{ match: "decoder/**", quant_weight_bits: 6 }] },
      });
      const of = (path: string) => plan.entries.find((entry) => entry.path === path)!;
      expect(of("decoder/classifier/classifier/kernel").spec.bits).toBe(5);
      expect(of("decoder/classifier/classifier/input").ranges).toEqual([{ lo: -24.5, hi: 24.5 }]);
      expect(of("decoder/att_rnn/attn/linear_q/kernel").spec.bits).toBe(6);
      expect(of("embedder/weights").spec.bits).toBe(8);
      model.dispose();
    }
  });

  it("treats layers by their class", () => {
    const treatments = {
      QuantDense: () => ({ quant_weight_bits: 4 }),
      BahdanauAttention: () => null,
    };
    const { model, report } = quantizeModel(float, { statistics: wide, treatments });
    const kernels = report.tensors.filter(({ path }) => path.endsWith("/kernel"));
    expect(kernels.every(({ bits }) => bits === 4)).toBe(true);
    expect(report.floats).toContainEqual({
      path: "decoder/att_rnn/attn/tanh",
      bits: 32,
      reason: "override decoder/att_rnn/attn/tanh",
      sqnr_db: null,
    });
    expect(treatmentLines(model)).toContain(
      "Replacing 'QuantDense' layers' kernel, input using the model's settings",
    );
    expect(treatmentLines(model, treatments)).toContain(
      "Replacing 'QuantDense' layers' kernel, input using 'QuantDense'",
    );
    model.dispose();
    expect(() => quantizeModel(float, { treatments: { QuantDens: () => null } })).toThrow(
      'Did you mean "QuantDense"?',
    );
  });

  it("names what statistics lack", () => {
    const bare = new Map(
      [...wide].map(([path, { inputs, output }]) => [
        path,
        {
          inputs: new Map([...inputs].map(([i, s]) => [i, { ...s, histogram: null }])),
          output: { ...output!, histogram: null },
        },
      ]),
    );
    expect(() => quantizeModel(float, { statistics: bare })).toThrow(ConfigError);
    const quantParams = { quant_act_clip: "laplace" } as const;
    quantizeModel(float, { statistics: bare, quantParams }).model.dispose();
  });

  it("reports what was rounded, how well, and what was not", () => {
    const { model, report } = quantizeModel(float, { statistics: wide });
    const kernel = report.tensors.find(({ path }) => path === `${cell}/fc_gate_x/kernel`)!;
    expect(kernel).toMatchObject({ role: "weight", bits: 8, mode: "symmetric", saturated: 0 });
    expect((kernel.scale as number[]).length).toBe(48);
    // Rounding to 8 bits: 6.02 dB a bit, less the distance of the deviation from the range.
    expect(kernel.sqnr_db!).toBeGreaterThan(40);
    expect(kernel.sqnr_db!).toBeLessThan(52);
    const state = report.tensors.find(({ path }) => path === `${cell}/eltwiseadd_cell/output`)!;
    expect(state.bits).toBe(16);
    expect(state.sqnr_db!).toBeGreaterThan(80);
    const gate = report.tensors.find(({ path }) => path === `${cell}/act_f/input`)!;
    expect(gate.reason).toBe("mse within -6 … 6 (sigmoid reads it)");
    expect(gate.saturated!).toBeGreaterThan(0.3);
    // What lies beyond is the same to the sigmoid, and counts as no error.
    expect(gate.sqnr_db!).toBeGreaterThan(35);
    expect(report.floats).toContainEqual({
      path: `${cell}/fc_gate_x/bias`,
      bits: 32,
      reason: "added after the product, in float32",
      sqnr_db: null,
    });
    model.dispose();
  });

  it("plans and reports parts in half precision, with and without quantizers of their own", () => {
    const text = ".*eltwise.*: {fp16: true}\ndecoder.classifier.classifier: {fp16: true}\n";
    const overrides = parseOverrides(text, "o.yaml");
    const prepared = prepareQuantization(float, { statistics: null, overrides });
    const { model, plan, notes } = prepared;
    expect(notes).toEqual([]);
    const printed = printPlan(model, plan);
    const classifier = "decoder/classifier/classifier";
    for (const part of ["kernel", "input"]) {
      expect(printed).toContain(`${part}: float16 (override ${classifier})`);
    }
    // The placement gives the sum of the gates no quantizer.
    const sum = `${cell}/eltwiseadd_gate`;
    expect(printed).toContain(`output: float16 (override ${sum})`);
    expect(plan.entries.some(({ path }) => /eltwise|classifier/.test(path))).toBe(false);
    const { report } = applyQuantization(float, prepared);
    const kernel = report.floats.find(({ path }) => path === `${classifier}/kernel`)!;
    expect(kernel).toMatchObject({ bits: 16, reason: `override ${classifier}` });
    // 11 significant bits: an error of a third of the square of half a step, 2^−12 to 2^−11 of a value.
    expect(kernel.sqnr_db!).toBeGreaterThan(70);
    expect(kernel.sqnr_db!).toBeLessThan(77);
    expect(report.floats).toContainEqual({
      path: `${classifier}/bias`,
      bits: 16,
      reason: "added after the product",
      sqnr_db: null,
    });
    expect(distance(logits(model), logits(float))).toBeLessThan(0.05);
    model.dispose();
    // What has no range needs no statistics.
    const others = new Map([...wide].filter(([path]) => path !== classifier));
    const again = prepareQuantization(float, { statistics: others, overrides });
    expect(again.notes).toEqual([]);
    again.model.dispose();
  });

  it("prints its plan as Distiller does", () => {
    const quantParams = { quant_compat: "distiller-2019" } as const;
    const placed = makeTinyGnmt({}, quantParams);
    const statistics = statisticsFor(placed, 2);
    placed.dispose();
    const { model, plan } = prepareQuantization(float, { statistics, quantParams });
    const text = printPlan(model, plan);
    expect(text).toContain(
      [
        "    (eltwiseadd_residuals/0): EltwiseAdd(",
        "      output_quant_settings=(num_bits=8 ; quant_mode=SYMMETRIC ; clip_mode=NONE ; " +
          "clip_n_stds=None ; clip_half_range=False ; per_channel=False)",
        "        preset_activation_stats=True",
        "        output_scale=63.500000, output_zero_point=0.000000",
        "        range: none",
        "      accum_quant_settings=(num_bits=32 ; quant_mode=SYMMETRIC ; clip_mode=NONE ; " +
          "clip_n_stds=None ; clip_half_range=False ; per_channel=False)",
        "      scale_approx_mult_bits=None",
        "    )",
      ].join("\n"),
    );
    expect(text).toMatch(
      /^GNMT\(\n {2}\(embedder\): TokenEmbedding\(\n {4}weights_quant_settings=/,
    );
    model.dispose();
  });
});

/** The report says of each tensor what its quantizer does. */
function expectReported(model: Seq2SeqModel, report: QuantReport): void {
  const reports = new Map(report.tensors.map((tensor) => [tensor.path, tensor]));
  for (const layer of model.layers()) {
    for (const quantizer of layer.quantizers.values()) {
      const { scale, zero_point: zero } = reports.get(shortPath(quantizer.path))!;
      if (!(quantizer instanceof StaticQuantizer)) expect.fail(quantizer.path);
      const range = quantizer.range();
      expect([scale].flat(), quantizer.path).toEqual([...range.scale]);
      expect([zero].flat(), quantizer.path).toEqual([...range.zeroPoint]);
    }
  }
  expect(reports.size).toBe(report.tensors.length);
}

function quantizerCodes(quantizer: { codes(x: tf.Tensor): tf.Tensor }, x: tf.Tensor): number[] {
  return [...quantizer.codes(x).dataSync()];
}
