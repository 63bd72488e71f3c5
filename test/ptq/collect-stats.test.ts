/** Statistics of models: padding never enters them, whatever runs the model. */
import * as tf from "@tensorflow/tfjs";
import { beforeAll, describe, expect, it } from "vitest";
import { selectBackend } from "../../src/backends/select.ts";
import type { ModelStatistics, TensorStatistics } from "../../src/core/tensor-statistics.ts";
import { makeBatch } from "../../src/data/make-batch.ts";
import { gnmtBeamSearch } from "../../src/decode/gnmt-beam-search.ts";
import { batchTensors, sequenceLoss } from "../../src/models/loss.ts";
import { shortPath } from "../../src/models/layer-paths.ts";
import type { Seq2SeqModel } from "../../src/models/model.ts";
import { createModelScorer } from "../../src/models/scorer.ts";
import { collectStats } from "../../src/ptq/collect-stats.ts";
import { withPass } from "../../src/quant/pass.ts";
import { calibrateModel } from "../../src/recipe/calibrate-model.ts";
import { statisticsOf } from "../../src/quant/tensor-statistics.ts";
import { makeTinyGnmt } from "../helpers/tiny-gnmt.ts";
import { makeTinyTransformer, TINY_SPECIAL, tinySentences } from "../helpers/tiny-transformer.ts";

const IDS = { start: TINY_SPECIAL.bos, eos: TINY_SPECIAL.eos };
// Two tokens or more: a sample of a single value would be counted with all others of its call.
const targets = tinySentences(8, 8).slice(1).reverse();
const examples = tinySentences(8, 5)
  .slice(1)
  .map((source, i) => ({ source, target: targets[i]! }));
const everything = examples.map((_, i) => i);

beforeAll(() => selectBackend("wasm"));

/** The loss of batches of examples; lengths of targets are told, or follow from their padding. */
function losses(batches: number[][], tells = true): (model: Seq2SeqModel) => void {
  return (model) => {
    for (const indices of batches) {
      const batch = makeBatch(examples, Int32Array.from(indices), IDS);
      tf.tidy(() => {
        const tensors = batchTensors(batch);
        withPass({}, (pass) => {
          if (tells) sequenceLoss(model, tensors, { per: "token", labelSmoothing: 0 }, pass);
          else model.logits(tensors.source, tensors.sourceLengths, tensors.targetInput, pass);
        });
      });
    }
  };
}

function* recordsOf(statistics: ModelStatistics): Generator<[string, TensorStatistics]> {
  for (const [path, { inputs, output }] of statistics) {
    for (const [number, record] of inputs) yield [`${path}, input ${number}`, record];
    if (output !== null) yield [path, output];
  }
}

function expectSame(actual: ModelStatistics, expected: ModelStatistics): void {
  const others = new Map(recordsOf(expected));
  expect([...actual.keys()].sort()).toEqual([...expected.keys()].sort());
  for (const [name, record] of recordsOf(actual)) {
    const other = others.get(name)!;
    expect([name, record.min, record.max]).toEqual([name, other.min, other.max]);
    // What is told once for a memory is weighed by the calls.
    if (/norm_scaler|matmul_score, input 1|norm_bias, input 1/.test(name)) continue;
    expect([name, record.totalNumel]).toEqual([name, other.totalNumel]);
    const [own, another] = [record.histogram!, other.histogram!];
    // Not by toEqual: thousands of cells for hundreds of records.
    const isSame =
      own.width === another.width && own.counts.every((n, i) => n === another.counts[i]);
    expect(isSame, `${name}, histogram`).toBe(true);
    const size = Math.max(-record.min, record.max, 1e-3);
    for (const key of ["avgMin", "avgMax", "mean", "std", "b"] as const) {
      expect(Math.abs(record[key]! - other[key]!) / size, `${name}, ${key}`).toBeLessThan(1e-6);
    }
  }
}

const MODELS: [string, () => Seq2SeqModel][] = [
  ["GNMT", () => makeTinyGnmt({}, null)],
  ["a Transformer", () => makeTinyTransformer({}, null)],
  [
    "a post-norm Transformer",
    () =>
      makeTinyTransformer({ "encoder.post_normalize": true, "decoder.post_normalize": true }, null),
  ],
];

describe.each(MODELS)("%s", (_name, make) => {
  it("has the statistics of its sentences one by one in a padded batch", async () => {
    const model = make();
    const alone = await collectStats(model, losses(everything.map((i) => [i])));
    const batched = await collectStats(model, losses([everything]));
    expectSame(batched, alone);
    const options = { targetPadding: TINY_SPECIAL.eos };
    expectSame(await collectStats(model, losses([everything], false), options), alone);
    model.dispose();
  });

  it("has statistics for every quantizer that a quantized model of its kind declares", async () => {
    const model = make();
    const statistics = await collectStats(model, losses([everything]));
    model.dispose();
    const quantized =
      model.className === "GNMT" ? makeTinyGnmt() : makeTinyTransformer(model.params);
    const paths = quantized
      .layers()
      .flatMap((layer) => [...layer.quantizers.values()])
      .filter(({ kind }) => kind !== "weight")
      .map(({ path }) => shortPath(path));
    expect(paths.length).toBeGreaterThan(10);
    expect(paths.filter((path) => statisticsOf(statistics, path) === null)).toEqual([]);
    quantized.dispose();
  });
});

it.each(["GNMT", "Transformer"])("clips of a quantized %s do not see padding either", (name) => {
  const clipsOf = (batches: number[][]): [string, number[]][] => {
    const model = name === "GNMT" ? makeTinyGnmt() : makeTinyTransformer();
    const padded = batches.map((indices) => makeBatch(examples, Int32Array.from(indices), IDS));
    const names = calibrateModel(model, { batches: padded, only: null });
    const clips = names.map((clip): [string, number[]] => {
      return [clip, [...model.variables.get(clip)!.dataSync()]];
    });
    model.dispose();
    return clips;
  };
  expect(clipsOf([everything])).toEqual(clipsOf(everything.map((i) => [i])));
});

describe("GNMT", () => {
  it("rounded operation by operation has statistics for all its quantizers too", async () => {
    const model = makeTinyGnmt({}, null);
    const statistics = await collectStats(model, losses([everything]));
    const published = makeTinyGnmt({}, { quant_compat: "distiller-2020" });
    for (const layer of published.layers()) {
      for (const { path, kind } of layer.quantizers.values()) {
        if (kind !== "weight")
          expect(statisticsOf(statistics, shortPath(path)), path).not.toBeNull();
      }
    }
    tf.dispose([model, published].map((each) => [...each.variables.values()]));
  });

  it("keeps masked scores out: a source's padding changes nothing that attention shows", async () => {
    const model = makeTinyGnmt({}, null);
    const pass = (sourceTime: number) => (watched: Seq2SeqModel) => {
      tf.tidy(() => {
        const real = tf.tensor2d([[1, 2, 3]], [1, 3], "int32");
        const source = tf.pad(
          real,
          [
            [0, 0],
            [0, sourceTime - 3],
          ],
          TINY_SPECIAL.eos,
        );
        const input = tf.tensor2d([[IDS.start, 4, 5]], [1, 3], "int32");
        withPass({}, (own) => watched.logits(source, tf.tensor1d([3], "int32"), input, own));
      });
    };
    const [alone, padded] = [
      await collectStats(model, pass(3)),
      await collectStats(model, pass(9)),
    ];
    expectSame(padded, alone);
    const scores = padded.get("decoder/att_rnn/attn/softmax_att")!;
    expect(scores.inputs.get(0)!.totalNumel).toBe(9);
    expect(scores.inputs.get(0)!.min).toBeGreaterThan(-1000);
    expect(scores.output!.min).toBeGreaterThan(0);
    model.dispose();
  });

  it("translates as ever while it is watched, in memory that does not grow", async () => {
    const model = makeTinyGnmt({}, null);
    const search = (watched: Seq2SeqModel) => {
      const scorer = createModelScorer(watched);
      const found = gnmtBeamSearch(
        scorer,
        examples.map(({ source }) => source),
        { special: TINY_SPECIAL, beamSize: 3, maxSeqLen: 6 },
      );
      scorer.close();
      return found;
    };
    const expected = search(model);
    const before = tf.memory();
    let statistics = await collectStats(model, (watched) => {
      expect(search(watched)).toEqual(expected);
    });
    const { numTensors, numBytes } = before;
    expect(tf.memory()).toMatchObject({ numTensors, numBytes });
    const once = [...recordsOf(statistics)].map(([name]) => name);
    const [first] = [...statistics.values()];
    statistics = await collectStats(model, (watched) => {
      for (let i = 0; i < 4; i++) search(watched);
    });
    expect([...recordsOf(statistics)].map(([name]) => name)).toEqual(once);
    expect([...statistics.values()][0]!.output!.totalNumel).toBe(4 * first!.output!.totalNumel!);
    expect(tf.memory()).toMatchObject({ numTensors, numBytes });
    model.dispose();
  });

  it("names the operation of a value that is not finite, and leaves nothing behind", async () => {
    const model = makeTinyGnmt({}, null);
    const name = [...model.variables.keys()].find((path) => path.endsWith("linear_q/kernel"))!;
    const kernel = model.variables.get(name)!;
    kernel.assign(tf.fill(kernel.shape, NaN));
    const { numTensors } = tf.memory();
    await expect(collectStats(model, losses([everything]))).rejects.toThrow(
      '"decoder/att_rnn/attn/linear_q": expected finite values, received NaN',
    );
    expect(tf.memory().numTensors).toBe(numTensors);
    model.dispose();
  });
});
