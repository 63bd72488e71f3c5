import { afterAll, describe, expect, it } from "vitest";
import { ConfigError } from "../../src/errors.ts";
import { operationsOf } from "../../src/ptq/operations.ts";
import { parseOverrides, resolveOverrides } from "../../src/ptq/overrides.ts";
import type { QuantOverride } from "../../src/quant/config.ts";
import { makeTinyGnmt } from "../helpers/tiny-gnmt.ts";

const model = makeTinyGnmt({}, { quant_compat: "distiller-2019" });
const operations = operationsOf(model);
afterAll(() => {
  model.dispose();
});

function resolve(text: string): { overrides: readonly QuantOverride[]; notes: readonly string[] } {
  return resolveOverrides(parseOverrides(text, "o.yaml"), operations);
}

describe("our overrides", () => {
  const expected = [
    { match: "encoder/**", quant_act_clip: "avg" },
    { match: "decoder/classifier/*", enable: false },
  ];

  it("are a list, a list under overrides, or a mapping", () => {
    const list =
      '- {match: "encoder/**", quant_act_clip: avg}\n- {match: decoder/classifier/*, enable: false}';
    const mapping = '"encoder/**": {quant_act_clip: avg}\ndecoder/classifier/*: {enable: false}\n';
    const under = `overrides:\n${list}`;
    for (const text of [list, mapping, under]) {
      expect(parseOverrides(text, "o.yaml")).toEqual({ dialect: "tfjs-qat", overrides: expected });
    }
  });

  it("name what is wrong", () => {
    expect(() => parseOverrides("[{match: a, quant_act_clp: avg}]", "o.yaml")).toThrow(
      /o\.yaml.*received "quant_act_clp"\. Did you mean "quant_act_clip"\?/,
    );
    expect(() => parseOverrides("", "o.yaml")).toThrow("o.yaml: expected patterns with settings");
    expect(() => parseOverrides("a: {colour: red}", "o.yaml")).toThrow(
      /o\.yaml: expected a known key, received "colour"\. Use match, enable, .*bits_activations/,
    );
    expect(() => parseOverrides("a: {clip_act: AVG}", "o.yaml")).toThrow(
      /received "clip_act"\. Did you mean "clip_acts"\?/,
    );
    expect(() => parseOverrides("a: {}", "o.yaml")).toThrow("received patterns alone");
    const mixed = "a: {quant_act_clip: avg}\nb: {clip_acts: AVG}";
    expect(() => parseOverrides(mixed, "o.yaml")).toThrow(
      'expected the keys of one dialect, received "quant_act_clip" and "clip_acts"',
    );
  });
});

describe("Distiller's overrides", () => {
  it("reach all of the attention, its own parts included", () => {
    const { overrides } = resolve(
      ".*att_rnn.attn.*:\n    clip_acts: NONE # Quantize without clipping\n" +
        "decoder.classifier.classifier:\n    clip_acts: NONE\n",
    );
    const attention = [
      ...["linear_att", "tanh", "matmul_score", "softmax_att", "context_matmul", "linear_q"],
      ...["linear_k", "eltwiseadd_qk", "eltwiseadd_norm_bias"],
    ].map((name) => `decoder/att_rnn/attn/${name}`);
    expect(overrides.map(({ match }) => match)).toEqual([
      ...attention,
      "decoder/classifier/classifier",
    ]);
    expect(new Set(overrides.map(({ quant_act_clip: clip }) => clip))).toEqual(new Set(["none"]));
  });

  it("give the first match the whole say, also before an exact name", () => {
    const { overrides } = resolve(
      "decoder.classifier.*: {bits_activations: 6}\n" +
        "decoder.classifier.classifier: {bits_weights: 4, clip_acts: AVG}\n",
    );
    expect(overrides).toEqual([
      { match: "decoder/classifier/classifier", quant_act_bits: 6, quant_cell_bits: 6 },
    ]);
  });

  it("compile each pattern by itself: groups and alternatives keep their anchors", () => {
    const { overrides } = resolve(
      "(encoder|decoder).eltwiseadd_residuals.(0|7): {bits_activations: 7}\n" +
        "decoder.att_rnn.attn.linear|decoder.classifier.classifier: {bits_activations: 5}\n",
    );
    expect(overrides.map(({ match, quant_act_bits: bits }) => [match, bits])).toEqual([
      ["encoder/eltwiseadd_residuals/0", 7],
      ["decoder/eltwiseadd_residuals/0", 7],
      ["decoder/classifier/classifier", 5],
    ]);
  });

  it("know the names of Distiller's GNMT, with or without module. in front", () => {
    const text =
      "module.encoder.embedder: {bits_weights: 6}\ndecoder.attention_concats.1: {bits_activations: 6}\n" +
      "decoder.att_rnn.attn.eltwisemul_norm_scaler: {bits_weights: 5}\n";
    expect(resolve(text).overrides.map(({ match }) => match)).toEqual([
      "embedder",
      "decoder/att_rnn/attn/linear_att",
      "decoder/eltwiseconcats/1",
    ]);
    expect(() => resolve("mymodule.encoder.embedder: {bits_weights: 6}")).toThrow(ConfigError);
  });

  it("say which settings they become", () => {
    const { overrides, notes } = resolve(
      "decoder.classifier.classifier:\n  bits_activations: 7\n  bits_weights: 6\n  bits_bias: 32\n" +
        "  mode: {activations: ASYMMETRIC_UNSIGNED, weights: SYMMETRIC}\n  clip_acts: N_STD\n" +
        "  clip_n_stds: 2.5\n  clip_half_range: true\n  per_channel_wts: true\n" +
        "  scale_approx_mult_bits: 8\n",
    );
    expect(overrides).toEqual([
      {
        match: "decoder/classifier/classifier",
        quant_weight_bits: 6,
        quant_act_bits: 7,
        quant_cell_bits: 7,
        quant_weight_mode: "symmetric",
        quant_act_mode: "asymmetric_unsigned",
        quant_act_clip: "n_std",
        quant_clip_n_stds: 2.5,
        quant_clip_half_range: true,
        quant_per_channel: true,
        quant_scale_approx_mult_bits: 8,
      },
    ]);
    expect(notes).toEqual([
      'o.yaml, "decoder.classifier.classifier", bits_bias: no effect here, biases are added in ' +
        "float32, or as int32 under the Distiller compats",
    ]);
  });

  it("compute in half precision, or in float32", () => {
    const classifier = "decoder.classifier.classifier";
    for (const [settings, bits, notes] of [
      ["fp16: true, bits_weights: 4", 16, []],
      ["fpq_module: 16, fake: false", 16, []],
      ["fp16: true, fpq_module: 16", 16, []],
      ["fpq_module: 32", 32, []],
      ["fpq_module: 64", 32, [", fpq_module: float32 instead, nothing is wider here"]],
    ] as const) {
      const { overrides, notes: all } = resolve(`${classifier}: {${settings}}`);
      expect(overrides).toEqual([
        { match: "decoder/classifier/classifier", quant_float_bits: bits },
      ]);
      expect(all).toEqual(notes.map((note) => `o.yaml, "${classifier}"${note}`));
    }
    expect(() => resolve(`${classifier}: {fp16: true, fpq_module: 32}`)).toThrow(
      "expected fpq_module 16 beside fp16, received 32",
    );
  });

  it("quantize the results of fake parts all the same", () => {
    const fake = "{fp16: true, fake: true, bits_activations: 6}";
    const { overrides, notes } = resolve(`decoder.classifier.classifier: ${fake}`);
    const path = "decoder/classifier/classifier";
    const bits = { quant_act_bits: 6, quant_cell_bits: 6 };
    expect(overrides).toEqual([
      { match: `${path}/kernel`, quant_float_bits: 16 },
      { match: `${path}/input`, quant_float_bits: 16 },
      { match: path, ...bits },
    ]);
    expect(notes).toEqual([]);
    const sum = resolve(`encoder.eltwiseadd_residuals.0: ${fake}`);
    expect(sum.overrides).toEqual([{ match: "encoder/eltwiseadd_residuals/0", ...bits }]);
    expect(sum.notes).toEqual([
      'o.yaml, "encoder.eltwiseadd_residuals.0", fake: operations without weights compute in ' +
        "float32, their results are quantized",
    ]);
  });

  it("reach operations without quantizers in half precision alone", () => {
    const own = makeTinyGnmt();
    const ours = operationsOf(own);
    own.dispose();
    const of = (text: string) => resolveOverrides(parseOverrides(text, "o.yaml"), ours);
    const sum = "decoder.att_rnn.attn.eltwiseadd_qk";
    expect(of(`${sum}: {fp16: true}`)).toEqual({
      overrides: [{ match: "decoder/att_rnn/attn/eltwiseadd_qk", quant_float_bits: 16 }],
      notes: [],
    });
    const none = `o.yaml, "${sum}": no effect here, what it matches is computed in float32`;
    expect(of(`${sum}: {fpq_module: 32}`)).toEqual({ overrides: [], notes: [none] });
    const { notes } = of("decoder.att_rnn.attn.*: {fp16: true}");
    expect(notes).toEqual([
      'o.yaml, "decoder.att_rnn.attn.*": computed in float32 all the same: ' +
        "decoder/att_rnn/attn/matmul_score, decoder/att_rnn/attn/context_matmul",
    ]);
  });

  it("keep in float what has no bits", () => {
    expect(resolve("encoder.rnn_layers.0.cells.0.fc_gate_x: {bits_activations: null}").overrides)
      .toEqual([
        { match: "encoder/rnn_layers/0/cells/0/fc_gate_x/input", enable: false },
        { match: "encoder/rnn_layers/0/cells/0/fc_gate_x/output", enable: false },
      ]); // prettier-ignore
    const all = "decoder.classifier.classifier: {bits_activations: null, bits_weights: null}";
    expect(resolve(all).overrides.every(({ enable }) => enable === false)).toBe(true);
  });

  it("name what is wrong", () => {
    expect(() => resolve("decoder.clasifier.classifier: {clip_acts: AVG}")).toThrow(
      "which matches none of 100. Did you mean " + '"decoder.classifier.classifier"?',
    );
    expect(() => resolve("a: {clip_acts: AVG, acts: 8}")).toThrow(
      /"a": expected the keys bits_activations, .*, received "acts"/,
    );
    expect(() => resolve("a: {clip_acts: SOMETIMES}")).toThrow(/"a", clip_acts: expected/);
    expect(() => resolve("'a(': {clip_acts: AVG}")).toThrow(/expected regular expressions/);
  });

  it("tell of operations that our own placement leaves in float", () => {
    const own = makeTinyGnmt();
    const file = parseOverrides("decoder.att_rnn.attn.matmul_score: {clip_acts: NONE}", "o.yaml");
    const { overrides, notes } = resolveOverrides(file, operationsOf(own));
    own.dispose();
    expect(overrides).toEqual([]);
    expect(notes).toEqual([
      'o.yaml, "decoder.att_rnn.attn.matmul_score": no effect here, what it matches is computed in float32',
    ]);
  });
});
