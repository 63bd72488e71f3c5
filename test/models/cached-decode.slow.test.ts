/** Step by step, with rows reordered, repeated and dropped, a model computes what it does at once. */
import * as tf from "@tensorflow/tfjs";
import { expect, it } from "vitest";
import { RandomStream } from "../../src/core/random.ts";
import { beamSearch } from "../../src/decode/beam-search.ts";
import type { StepScorer } from "../../src/decode/step-scorer.ts";
import { CheckpointError } from "../../src/errors.ts";
import type { DecodeState } from "../../src/models/model.ts";
import { createModelScorer } from "../../src/models/scorer.ts";
import type { Transformer } from "../../src/models/transformer.ts";
import { type Pass, type PassOptions, withPass } from "../../src/quant/pass.ts";
import { describeBackends, expectFlatMemory } from "../helpers/backend-variants.ts";
import {
  decoderInput,
  makeTinyTransformer,
  TINY_SPECIAL,
  TINY_VOCABULARY,
  tinySentences,
} from "../helpers/tiny-transformer.ts";

const off = (match: string) => ({ overrides: [{ match, enable: false }] });

const MODELS: [string, Record<string, unknown>, Record<string, unknown> | null][] = [
  ["float", {}, null],
  ["8 bits", {}, {}],
  ["4 bits", {}, { quant_bits: 4 }],
  ["TensorFlow's rounding", {}, { quant_rounding: "half_up" }],
  ["NeurST's sums", {}, { quant_rounding: "half_up", quant_compat: "neurst" }],
  ["post-norm", { "decoder.post_normalize": true }, {}],
  ["float probabilities", {}, off("**/softmax")],
  ["float queries of cross-attention", {}, off("**/q_transform/output")],
  ["float keys and values of cross-attention", {}, off("**/kv_transform/output")],
  ["float self-attention", {}, off("**/self_attention/**")],
];
const CASES = MODELS.flatMap(([name, params, quantParams]) =>
  (["values", "codes"] as const).map((products) => ({ name, products, params, quantParams })),
);

const ALL_CODES = new Set([
  "8 bits",
  "4 bits",
  "TensorFlow's rounding",
  "NeurST's sums",
  "post-norm",
]);

const SOURCES = tinySentences(5);
const TARGET = tinySentences(9, 8)[8]!;
const INPUT = decoderInput(TARGET, TINY_SPECIAL.bos);

/** Teacher-forced logits of each source with TARGET, [time, vocabulary]. */
function forcedLogits(model: Transformer, products: Pass["products"]): Float32Array[] {
  return SOURCES.map((source) =>
    withPass({ products }, (pass) =>
      tf.tidy(() => {
        const ids = tf.tensor2d(source, [1, source.length], "int32");
        const lengths = tf.tensor1d([source.length], "int32");
        const input = tf.tensor2d(INPUT, [1, INPUT.length], "int32");
        return Float32Array.from(model.logits(ids, lengths, input, pass).dataSync());
      }),
    ),
  );
}

function startAll(model: Transformer, pass: Pass): DecodeState {
  const time = Math.max(...SOURCES.map(({ length }) => length));
  const padded = SOURCES.flatMap((ids) =>
    Array.from({ length: time }, (_, i) => ids[i] ?? TINY_SPECIAL.eos),
  );
  const ids = tf.tensor2d(padded, [SOURCES.length, time], "int32");
  const lengths = tf.tensor1d(
    SOURCES.map(({ length }) => length),
    "int32",
  );
  const state = model.startState(ids, lengths, pass);
  tf.dispose([ids, lengths]);
  return state;
}

/** Calls `see` with the logits of every row of every step. */
function decodeForced(
  model: Transformer,
  options: PassOptions,
  see: (sentence: number, time: number, logits: Float32Array) => void,
): void {
  const random = new RandomStream({ seed: 4, stream: 0 });
  withPass(options, (pass) => {
    let state = startAll(model, pass);
    let order = SOURCES.map((_, i) => i);
    INPUT.forEach((id, time) => {
      const ids = tf.tensor1d(new Int32Array(order.length).fill(id), "int32");
      const step = model.step(ids, state, pass);
      const logits = step.logits.dataSync();
      order.forEach((sentence, row) => {
        const start = row * TINY_VOCABULARY;
        see(sentence, time, logits.slice(start, start + TINY_VOCABULARY) as Float32Array);
      });
      tf.dispose([ids, step.logits]);
      const count = 1 + random.integer(8);
      const rows = Int32Array.from({ length: count }, () => random.integer(order.length));
      state = model.gatherState(step.state, rows);
      order = Array.from(rows, (row) => order[row]!);
    });
    model.disposeState(state);
  });
}

describeBackends("a Transformer", (backend) => {
  // On cpu TensorFlow.js' own products of values sum in an order of their own.
  const exact = CASES.filter(({ name, products }) => {
    return backend === "wasm" || (products === "codes" && ALL_CODES.has(name));
  });

  it.each(exact)("decodes as teacher-forced, to the bit: $name, $products", (c) => {
    const model = makeTinyTransformer(c.params, c.quantParams);
    const { products } = c;
    const expected = forcedLogits(model, products);
    const expectSame = (sentence: number, time: number, logits: Float32Array): void => {
      const start = time * TINY_VOCABULARY;
      expect(logits).toEqual(expected[sentence]!.slice(start, start + TINY_VOCABULARY));
    };
    decodeForced(model, { products }, expectSame);
    // A pass that is watched takes products one by one.
    const scores: string[] = [];
    const onProduct = ({ product }: { product: string }): void => {
      if (/Decoder.*self_attention\/scores$/.test(product)) scores.push(product);
    };
    decodeForced(model, { products, onProduct }, expectSame);
    expect(scores.length).toBe(2 * INPUT.length);
    model.dispose();
  });

  it.each(CASES)("finds the beams that full log-probabilities give: $name, $products", (c) => {
    const model = makeTinyTransformer(c.params, c.quantParams);
    const scorer = createModelScorer(model, c.products);
    const plain: Partial<StepScorer<DecodeState>> = { ...scorer };
    expect(plain.stepTop).toBeDefined();
    delete plain.stepTop;
    const options = { special: TINY_SPECIAL, extraDecodeLength: 9, topK: 4 };
    for (const beamSize of [4, 7]) {
      const all = { ...options, beamSize, minimumDecodeLength: 3 };
      expect(beamSearch(scorer, SOURCES, all)).toEqual(
        beamSearch(plain as StepScorer<DecodeState>, SOURCES, all),
      );
    }
    scorer.close();
    model.dispose();
  });

  it("frees its state at the end, after an error and in the middle", () => {
    const model = makeTinyTransformer();
    const scorer = createModelScorer(model);
    beamSearch(scorer, SOURCES, { special: TINY_SPECIAL }); // the pass keeps weights
    const bos = new Int32Array(SOURCES.length).fill(TINY_SPECIAL.bos);
    expectFlatMemory(() => {
      beamSearch(scorer, SOURCES, { special: TINY_SPECIAL });
      const step = scorer.step(scorer.start(SOURCES), bos);
      scorer.dispose(scorer.gather(step.state, Int32Array.of(2, 2, 0)));
      const wrong = bos.slice().fill(TINY_VOCABULARY);
      const next = scorer.step(scorer.start(SOURCES), bos);
      expect(() => scorer.step(next.state, wrong)).toThrow(/numbers from 0 to/);
    });
    scorer.close();
    model.dispose();
  });

  it.each(["values", "codes"] as const)("says that weights are not finite: %s", (products) => {
    const model = makeTinyTransformer();
    const name = [...model.variables.keys()].find((n) =>
      /Decoder.*layer_1.*qkv_transform\/bias$/.test(n),
    );
    const bias = model.variables.get(name!)!;
    const broken = bias.dataSync().fill(NaN, 30, 31);
    tf.tidy(() => {
      bias.assign(tf.tensor(broken, bias.shape));
    });
    const scorer = createModelScorer(model, products);
    const decode = (): unknown => beamSearch(scorer, SOURCES, { special: TINY_SPECIAL });
    expect(decode).toThrow(CheckpointError);
    expectFlatMemory(() => {
      expect(decode).toThrow(CheckpointError);
    });
    scorer.close();
    model.dispose();
  });
});
