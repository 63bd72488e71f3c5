import * as tf from "@tensorflow/tfjs";
import { beforeAll, describe, expect, it } from "vitest";
import { selectBackend } from "../../src/backends/select.ts";
import { hparamsSet } from "../../src/models/hparams.ts";
import { fullName, shortPath } from "../../src/models/layer-paths.ts";
import { assignWeights, type WeightArray } from "../../src/models/load-weights.ts";
import { batchTensors, sequenceLoss } from "../../src/models/loss.ts";
import { placementReport } from "../../src/models/placement.ts";
import { createModelScorer } from "../../src/models/scorer.ts";
import { parseTransformerParams } from "../../src/models/transformer-params.ts";
import { Transformer } from "../../src/models/transformer.ts";
import { calibrateClips } from "../../src/quant/calibrate.ts";
import { resolveQuantConfig, type QuantParamsInput } from "../../src/quant/config.ts";
import { withPass } from "../../src/quant/pass.ts";
import { expectFlatMemory } from "../helpers/backend-variants.ts";
import { makeBatch, parameterCount } from "../helpers/lohelp.ts";

beforeAll(() => selectBackend("wasm"));

const VOCABULARY = 14;
const SOURCES = [
  [3, 1, 4, 1, 5, 9, 2, 13],
  [6, 5, 13],
  [8, 9, 7, 9, 13],
];
const TARGETS = [
  [2, 7, 1, 13],
  [8, 2, 8, 1, 8, 13],
  [4, 13],
];

function toy(quantParams: QuantParamsInput | null = null, params: object = {}): Transformer {
  const model = new Transformer({
    params: { ...hparamsSet("transformer_toy")["model.params"], ...params },
    sourceVocabSize: VOCABULARY,
    targetVocabSize: VOCABULARY,
    quantConfig: quantParams === null ? null : resolveQuantConfig(quantParams),
    seed: 5,
  });
  // Biases and positions of a fresh model are zero, which would hide mistakes.
  for (const [name, variable] of model.variables) {
    if (!name.endsWith("bias") && !name.endsWith("beta")) continue;
    tf.tidy(() => {
      variable.assign(tf.randomNormal(variable.shape, 0, 0.3, "float32", name.length));
    });
  }
  if (quantParams !== null) {
    const tensors = batchTensors(makeBatch(SOURCES, TARGETS));
    calibrateClips(model, [
      (pass) => {
        model.logits(tensors.source, tensors.sourceLengths, tensors.targetInput, pass);
      },
    ]);
    tf.dispose({ ...tensors });
  }
  return model;
}

/** Logits of the real positions, sentence by sentence. */
function logitsOf(
  model: Transformer,
  sources: number[][],
  targets: number[][],
  products: "values" | "codes",
): number[][][] {
  const batch = makeBatch(sources, targets);
  const flat = withPass({ products }, (pass) =>
    tf.tidy(() => {
      const { source, sourceLengths, targetInput } = batchTensors(batch);
      const logits = model.logits(source, sourceLengths, targetInput, pass);
      return logits.reshape([sources.length, batch.targetTime, VOCABULARY]).arraySync();
    }),
  ) as number[][][];
  return flat.map((rows, i) => rows.slice(0, targets[i]!.length));
}

const VARIANTS: [string, QuantParamsInput | null, object][] = [
  ["float", null, {}],
  ["8 bits", {}, {}],
  ["4 bits, a scale for each channel", { quant_bits: 4, quant_per_channel: true }, {}],
  ["post-norm", {}, { "encoder.post_normalize": true, "decoder.post_normalize": true }],
  [
    "learned positions, untied softmax, shared embedding",
    {},
    {
      "modality.timing": { timing: "emb", max_positions: 20 },
      "modality.share_embedding_and_softmax_weights": false,
      "modality.share_source_target_embedding": true,
    },
  ],
  ["attention in float", { overrides: [{ match: "**/self_attention/**", enable: false }] }, {}],
];

describe.each(VARIANTS)("a Transformer, %s", (_name, quantParams, params) => {
  it("gives the same logits alone, in a batch and with more padding, to the bit", () => {
    const model = toy(quantParams, params);
    const together = logitsOf(model, SOURCES, TARGETS, "codes");
    SOURCES.forEach((source, i) => {
      expect(logitsOf(model, [source], [TARGETS[i]!], "codes")[0]).toEqual(together[i]);
    });
    model.dispose();
  });

  it("decodes step by step what it gives all at once", () => {
    const model = toy(quantParams, params);
    const expected = logitsOf(model, SOURCES, TARGETS, "codes");
    const scorer = createModelScorer(model);
    let state = scorer.start(SOURCES.map((ids) => Int32Array.from(ids)));
    // Rows in another order, one of them twice.
    state = scorer.gather(state, Int32Array.of(1, 0, 1));
    const rows = [1, 0, 1];
    for (let time = 0; time < 4; time++) {
      const ids = Int32Array.from(rows, (row) => (time === 0 ? 12 : TARGETS[row]![time - 1]!));
      const step = scorer.step(state, ids);
      state = step.state;
      rows.forEach((row, r) => {
        const logits = expected[row]![time]!;
        const logSum = Math.log(logits.reduce((sum, v) => sum + Math.exp(v), 0));
        logits.forEach((v, i) => {
          expect(step.logProbs[r * VOCABULARY + i]).toBeCloseTo(v - logSum, 4);
        });
      });
    }
    scorer.dispose(state);
    scorer.close();
    model.dispose();
  });

  it("leaks nothing in evaluation, decoding and training", () => {
    const model = toy(quantParams, params);
    const batch = makeBatch(SOURCES, TARGETS);
    expectFlatMemory(() => {
      logitsOf(model, SOURCES, TARGETS, "codes");
      const scorer = createModelScorer(model);
      const step = scorer.step(scorer.start([Int32Array.of(1, 13)]), Int32Array.of(12));
      const next = scorer.step(scorer.gather(step.state, Int32Array.of(0, 0)), Int32Array.of(1, 2));
      scorer.dispose(next.state);
      scorer.close();
      tf.tidy(() => {
        const dropout = { nextSeed: () => tf.scalar(3, "int32") };
        withPass({ training: true, dropout }, (pass) => {
          tf.variableGrads(
            () =>
              sequenceLoss(model, batchTensors(batch), { per: "token", labelSmoothing: 0.1 }, pass)
                .loss,
            [...model.variables.values()],
          );
        });
      });
    });
    model.dispose();
  });

  it("has every operand quantized, or says which is not", () => {
    const model = toy(quantParams, params);
    const report = placementReport(model);
    // Three products of attention's own, four maps and two dense layers: see each layer's file.
    expect(report.length).toBe(2 * (4 + 2) + 2 * (4 + 5 + 2) + 1);
    const floats = report.filter(({ left, right }) => left === null || right === null);
    if (quantParams === null) expect(floats.length).toBe(report.length);
    else if (quantParams.overrides === undefined) expect(floats).toEqual([]);
    else expect(floats.every(({ product }) => product.includes("self_attention"))).toBe(true);
    model.dispose();
  });
});

describe("evaluation by codes", () => {
  it("is evaluation by values, but for rounding", () => {
    const model = toy({});
    const codes = logitsOf(model, SOURCES, TARGETS, "codes").flat(2);
    const values = logitsOf(model, SOURCES, TARGETS, "values").flat(2);
    codes.forEach((v, i) => {
      expect(v).toBeCloseTo(values[i]!, 4);
    });
    model.dispose();
  });
});

describe("models in one process", () => {
  it("keep their own precision, names and variables", () => {
    const [eight, four, float] = [toy({}), toy({ quant_bits: 4 }), toy()];
    const own = logitsOf(eight, SOURCES, TARGETS, "codes");
    logitsOf(four, SOURCES, TARGETS, "codes");
    logitsOf(float, SOURCES, TARGETS, "values");
    expect(logitsOf(eight, SOURCES, TARGETS, "codes")).toEqual(own);
    expect([...four.variables.keys()]).toEqual([...eight.variables.keys()]);
    const ids = new Set([eight, four, float].flatMap((m) => [...m.variables.values()]));
    expect(ids.size).toBe(eight.variables.size * 2 + float.variables.size);
    for (const model of [eight, four, float]) model.dispose();
  });

  it("start from the same weights for the same seed, and from others for another", () => {
    const weights = (seed: number): number[] => {
      const params = hparamsSet("transformer_toy")["model.params"];
      const sizes = { sourceVocabSize: 9, targetVocabSize: 9 };
      const model = new Transformer({ params, ...sizes, quantConfig: null, seed });
      const values = [...model.variables.values()].flatMap((v) => [...v.dataSync()]);
      model.dispose();
      return values;
    };
    expect(weights(0)).toEqual(weights(0));
    expect(weights(0)).not.toEqual(weights(1));
  });
});

describe("weights from a checkpoint", () => {
  const checkpoint = (model: Transformer): Map<string, WeightArray> =>
    new Map([...model.variables].map(([n, v]) => [n, { shape: v.shape, data: v.dataSync() }]));

  it("may lack clips, and may have another root scope", () => {
    const [float, quantized] = [toy(), toy({})];
    const renamed = new Map(
      [...checkpoint(float)].map(([name, a]) => [
        name.replace("SequenceToSequence", "my_model"),
        a,
      ]),
    );
    const clips = [...quantized.variables.keys()].filter((n) => n.endsWith("_clip_max"));
    expect(assignWeights(quantized, renamed, "ckpt")).toEqual(clips);
    expect(assignWeights(float, checkpoint(quantized), "ckpt")).toEqual([]);
    float.dispose();
    quantized.dispose();
  });

  it("must not lack weights, have others or have other shapes, and then change nothing", () => {
    const model = toy();
    const before = checkpoint(model);
    const bad = new Map(before);
    const [first, second] = [...bad.keys()] as [string, string];
    bad.set("extra/kernel", bad.get(first)!);
    bad.delete(first);
    bad.set(second, { shape: [1], data: [7] });
    const assign = (): unknown => assignWeights(model, bad, "ckpt-7");
    expect(assign).toThrow(
      /^ckpt-7: .*1 missing .*1 surplus \(extra\/kernel\).*1 of another shape/,
    );
    expect(checkpoint(model)).toEqual(before);
    model.dispose();
  });
});

describe("parameters", () => {
  it("count as the shapes say", () => {
    const model = toy();
    expect(parameterCount(model.variables)).toBe(expectedCount(8, 10, 2, VOCABULARY));
    model.dispose();
  });

  it.each([
    [{ "encoder.num_layer": 2 }, /Did you mean "encoder.num_layers"/],
    [{ "encoder.num_layers": 0 }, /encoder.num_layers: expected/],
    [{ "decoder.hidden_size": 12 }, /decoder.hidden_size to be the target embedding's width/],
    [{ "encoder.ffn_activation": "glu" }, /encoder.ffn_activation/],
    [{ "encoder.attention_type": "additive" }, /encoder.attention_type/],
  ])("refuse %j", (change, message) => {
    const params = { ...hparamsSet("transformer_toy")["model.params"], ...change };
    expect(() => parseTransformerParams(params)).toThrow(message);
  });

  it("refuse an override that matches nothing, and free the variables", () => {
    const overrides = [{ match: "encoder/layer_9/**", quant_bits: 4 }].map(({ match }) => ({
      ...{ match, enable: false },
    }));
    expectFlatMemory(() => {
      expect(() => toy({ overrides })).toThrow(/encoder\/layer_9/);
    });
  });
});

describe("hparams sets", () => {
  it.each([
    ["transformer_base", { dim: 512, heads: 8, layers: 6, filter: 2048, dropout: 0.1 }],
    ["transformer_s", { dim: 256, heads: 4, layers: 6, filter: 2048, dropout: 0.1 }],
    ["transformer_big", { dim: 1024, heads: 16, layers: 6, filter: 4096, dropout: 0.3 }],
    ["transformer_big_dp01", { dim: 1024, heads: 16, layers: 6, filter: 4096, dropout: 0.1 }],
    ["transformer_128_3e_3d_4h", { dim: 128, heads: 4, layers: 3, filter: 512, dropout: 0.1 }],
    ["transformer_64_2e_2d_dp0.25", { dim: 64, heads: 8, layers: 2, filter: 256, dropout: 0.25 }],
  ])("%s", (name, size) => {
    const params = hparamsSet(name)["model.params"];
    for (const stack of ["encoder", "decoder"]) {
      expect(params[`${stack}.hidden_size`]).toBe(size.dim);
      expect(params[`${stack}.num_attention_heads`]).toBe(size.heads);
      expect(params[`${stack}.num_layers`]).toBe(size.layers);
      expect(params[`${stack}.filter_size`]).toBe(size.filter);
      expect(params[`${stack}.ffn_dropout_rate`]).toBe(size.dropout);
    }
    expect(() => parseTransformerParams(params)).not.toThrow();
  });

  it.each(["transformer_bas", "transformer_12_1e_1d", "transformer_64_2e", "constructor"])(
    "refuses %s",
    (name) => {
      expect(() => hparamsSet(name)).toThrow(/hparams_set: expected/);
    },
  );
});

describe("short paths", () => {
  const root = "SequenceToSequence";
  it.each([
    [
      `${root}/TransformerEncoder/layer_0/ffn_prepost_wrapper/ffn/dense1/kernel`,
      "encoder/layer_0/ffn/dense1/kernel",
    ],
    [
      `${root}/TransformerDecoder/layer_1/encdec_attention_prepost_wrapper/ln/gamma`,
      "decoder/layer_1/encdec_attention/ln/gamma",
    ],
    [`${root}/TransformerDecoder/output_ln_clip_max`, "decoder/output_ln_clip_max"],
    [
      `${root}/shared_symbol_modality_posenc_wrapper/shared_symbol_modality/shared/weights`,
      "shared_embedding/weights",
    ],
    [`${root}/input_symbol_modality/emb/weights`, "source_embedding/weights"],
    [
      `${root}/target_symbol_modality_posenc_wrapper/position_embeddings/weights`,
      "target_positions/weights",
    ],
    [`${root}/softmax_linear/kernel`, "softmax_linear/kernel"],
    ["other_root/TransformerEncoder/output_ln/beta", "encoder/output_ln/beta"],
  ])("%s", (full, short) => {
    expect(shortPath(full)).toBe(short);
    expect(fullName("--weight", short, [full])).toBe(full);
    expect(fullName("--weight", full, [full])).toBe(full);
  });

  it("differ for the variables of one model, and are known by their nearest", () => {
    const model = toy({}, { "modality.timing": "emb" });
    const names = [...model.variables.keys()];
    expect(new Set(names.map(shortPath)).size).toBe(names.length);
    expect(() => fullName("--weight", "encoder/layer_0/ffn/dense1/kernl", names)).toThrow(
      `Did you mean "encoder/layer_0/ffn/dense1/kernel"?`,
    );
    model.dispose();
  });
});

/** Weights of a pre-norm model with two embeddings, a tied softmax and as many layers on each side. */
function expectedCount(dim: number, filter: number, layers: number, vocabulary: number): number {
  const norm = 2 * dim;
  const attention = 4 * (dim * dim + dim) + norm;
  const feedForward = dim * filter + filter + filter * dim + dim + norm;
  const embeddings = 2 * vocabulary * dim + vocabulary;
  return layers * (3 * attention + 2 * feedForward) + 2 * norm + embeddings;
}
