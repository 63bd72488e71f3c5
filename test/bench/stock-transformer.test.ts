import * as tf from "@tensorflow/tfjs";
import { beforeAll, describe, expect, it } from "vitest";
import { StockTrainer } from "../../bench/stock-trainer.ts";
import { StockTransformer, type StockWeights } from "../../bench/stock-transformer.ts";
import type { TransformerSize, PlainBatch } from "../../bench/workloads.ts";
import { selectBackend } from "../../src/backends/select.ts";
import type { Batch } from "../../src/data/batch.ts";
import { batchTensors, sequenceLoss } from "../../src/models/loss.ts";
import { Adam } from "../../src/train/optimizer.ts";
import { TrainStep } from "../../src/train/train-step.ts";
import { withPass } from "../../src/quant/pass.ts";
import { makeBatch } from "../helpers/lohelp.ts";
import {
  makeTinyTransformer,
  TINY_VOCABULARY,
  tinySentences,
} from "../helpers/tiny-transformer.ts";

const SIZE: TransformerSize = {
  vocabulary: TINY_VOCABULARY,
  width: 12,
  filter: 21,
  heads: 4,
  encoderLayers: 2,
  decoderLayers: 2,
  dropout: 0,
};
const SMOOTHING = 0.1;

type OurModel = ReturnType<typeof makeTinyTransformer>;

function weightsOf({ variables }: OurModel): StockWeights {
  return new Map(
    [...variables].map(([name, variable]) => [
      name,
      { data: Float32Array.from(variable.dataSync()), shape: variable.shape },
    ]),
  );
}

function unevenBatch(): Batch {
  const sentences = tinySentences(12).map((ids) => [...ids]);
  return makeBatch(sentences, [...sentences].reverse());
}

function plain(batch: Batch): PlainBatch {
  return JSON.parse(
    JSON.stringify(batch, (_, value: unknown) =>
      value instanceof Int32Array ? [...value] : value,
    ),
  ) as PlainBatch;
}

function ourLoss(model: OurModel, batch: Batch): number {
  return tf.tidy(() =>
    withPass(
      { training: false },
      (pass) =>
        sequenceLoss(
          model,
          batchTensors(batch),
          { per: "token", labelSmoothing: SMOOTHING },
          pass,
        ).loss.dataSync()[0]!,
    ),
  );
}

function stockLoss(model: StockTransformer, batch: Batch): number {
  return tf.tidy(() => model.loss(plain(batch), SMOOTHING, false).dataSync()[0]!);
}

describe("the plain TensorFlow.js program", () => {
  beforeAll(() => selectBackend("wasm"));

  it("has our variables", () => {
    const ours = makeTinyTransformer({}, null);
    const stock = new StockTransformer(SIZE);
    const shapes = (variables: ReadonlyMap<string, tf.Variable>) =>
      Object.fromEntries([...variables].map(([name, { shape }]) => [name, shape]));
    expect(shapes(stock.variables)).toEqual(shapes(ours.variables));
    ours.dispose();
  });

  it("has our loss on the same weights and batch", () => {
    const ours = makeTinyTransformer({}, null);
    const stock = new StockTransformer(SIZE, weightsOf(ours));
    const batch = unevenBatch();
    expect(Math.abs(stockLoss(stock, batch) - ourLoss(ours, batch))).toBeLessThan(1e-4);
    ours.dispose();
  });

  it.each([null, 0.05])("has our loss after steps of training, clip_norm %s", async (clipNorm) => {
    const ours = makeTinyTransformer({}, null);
    const stock = new StockTransformer(SIZE, weightsOf(ours));
    const batch = unevenBatch();
    const trainer = new StockTrainer(stock, { labelSmoothing: SMOOTHING, clipNorm });
    const before = stockLoss(stock, batch);
    const optimizer = new Adam(ours.variables, { beta1: 0.9, beta2: 0.98, epsilon: 1e-9 });
    const setup = {
      ...{
        model: ours,
        quant: null,
        criterion: { per: "token" as const, labelSmoothing: SMOOTHING },
        trained: ours.variables,
      },
      ...{ clipNorm, clipValue: null, optimizer },
    };
    const noDropout = { nextSeed: () => tf.scalar(1, "int32") };
    const ourStep = new TrainStep(setup);
    for (let i = 0; i < 20; i++) {
      await trainer.step(plain(batch));
      await ourStep.run([batch], noDropout, { weights: 1e-4, clips: 1e-4 });
    }
    const after = stockLoss(stock, batch);
    expect(before - after).toBeGreaterThan(1e-3);
    expect(Math.abs(after - ourLoss(ours, batch))).toBeLessThan(1e-4);
    optimizer.dispose();
    ours.dispose();
  });
});
