import * as tf from "@tensorflow/tfjs";
import { beforeAll, describe, expect, it } from "vitest";
import { selectBackend } from "../../src/backends/select.ts";
import { makeBatch } from "../../src/data/make-batch.ts";
import type { Batch } from "../../src/data/batch.ts";
import { isClipName } from "../../src/quant/clip-name.ts";
import type { Seq2SeqModel } from "../../src/models/model.ts";
import { StepDropout } from "../../src/train/dropout-source.ts";
import { Adam } from "../../src/train/optimizer.ts";
import { TrainStep, type StepFigures, type StepSetup } from "../../src/train/train-step.ts";
import { trainedVariables } from "../../src/train/trained-variables.ts";
import { ConfigError } from "../../src/errors.ts";
import { expectClose } from "../helpers/numeric.ts";
import { QUANT, tinyExamples, valuesOf } from "./tiny-run.ts";
import { tinyModel } from "./tiny-test.ts";

const IDS = { start: 18, eos: 19 };
const examples = tinyExamples();

function batchOf(...indices: number[]): Batch {
  return makeBatch(examples, Int32Array.from(indices), IDS);
}

/** The same mask everywhere. */
const DROPOUT = { nextSeed: (): tf.Tensor => tf.scalar(0, "int32") };

/** Adam with β = 0 and a huge ε is plain gradient descent scaled by 1/ε: shows the gradients. */
const DESCENT = { beta1: 0, beta2: 0, epsilon: 1e6 };
const DESCENT_RATE = 1e6;

async function stepOnce(
  model: Seq2SeqModel,
  batches: readonly Batch[],
  settings: Partial<StepSetup> = {},
): Promise<{ figures: StepFigures; moved: Record<string, Float32Array> }> {
  const trained = settings.trained ?? model.variables;
  const optimizer = new Adam(trained, DESCENT);
  const before = valuesOf(model);
  const setup: StepSetup = {
    model,
    quant: QUANT,
    criterion: { per: "token", labelSmoothing: 0.1 },
    clipNorm: null,
    clipValue: null,
    ...settings,
    trained,
    optimizer,
  };
  const rates = { weights: DESCENT_RATE, clips: DESCENT_RATE };
  const figures = await new TrainStep(setup).run(batches, DROPOUT, rates);
  const after = valuesOf(model);
  const moved = Object.fromEntries(
    Object.entries(before).map(([name, values]) => [
      name,
      values.map((value, i) => value - after[name]![i]!),
    ]),
  );
  optimizer.dispose();
  return { figures, moved };
}

function normOf(moved: Record<string, Float32Array>, isCounted: (name: string) => boolean): number {
  const counted = Object.entries(moved).filter(([name]) => isCounted(name));
  return Math.hypot(...counted.map(([, values]) => Math.hypot(...values)));
}

beforeAll(() => selectBackend("cpu"));

describe("TrainStep", () => {
  it("reports the task loss and the clip penalty apart", async () => {
    const model = tinyModel();
    const { figures } = await stepOnce(model, [batchOf(0, 1, 2)]);
    // Uniform guessing costs ln 20 less what label smoothing subtracts.
    expect(figures.taskLoss).toBeGreaterThan(1.5);
    expect(figures.taskLoss).toBeLessThan(4);
    const clips = Object.entries(valuesOf(tinyModel())).filter(([name]) => isClipName(name));
    const isWeight = (name: string): boolean => model.variables.has(name.replace("_clip_max", ""));
    const penalty = clips.reduce(
      (sum, [name, [clip]]) => sum + (isWeight(name) ? 0.001 : 0.01) * clip! ** 2,
      0,
    );
    expect(clips.length).toBeGreaterThan(20);
    expect(figures.clipPenalty).toBeCloseTo(penalty, 5);
    expect(figures.unreached).toEqual([]);
  });

  it("has no penalty in float", async () => {
    const { figures } = await stepOnce(tinyModel(null), [batchOf(0, 1)], { quant: null });
    expect(figures.clipPenalty).toBe(0);
  });

  it("gives several batches the update of one that holds all their sentences", async () => {
    // Unequal sizes: a mean of the batches' means would weigh the small one's tokens more.
    const parts = [batchOf(0, 1, 2, 3, 4), batchOf(5)];
    const whole = await stepOnce(tinyModel(QUANT, "dp0.0"), [batchOf(0, 1, 2, 3, 4, 5)]);
    const cycle = await stepOnce(tinyModel(QUANT, "dp0.0"), parts);
    expect(cycle.figures.taskLoss).toBeCloseTo(whole.figures.taskLoss, 5);
    expect(cycle.figures.clipPenalty).toBe(whole.figures.clipPenalty);
    for (const [name, values] of Object.entries(whole.moved)) {
      expectClose(cycle.moved[name]!, values, 1e-5);
    }
  });

  it("clips the norm of the weights' gradients, not those of the clips", async () => {
    const batch = batchOf(0, 1, 2);
    const isWeight = (name: string): boolean => !isClipName(name);
    const free = await stepOnce(tinyModel(), [batch]);
    const norm = normOf(free.moved, isWeight);
    expect(free.figures.gradientNorm).toBeCloseTo(norm, 4);
    const limit = norm / 3;
    const clipped = await stepOnce(tinyModel(), [batch], { clipNorm: limit });
    expect(clipped.figures.gradientNorm).toBe(free.figures.gradientNorm);
    expect(normOf(clipped.moved, isWeight)).toBeCloseTo(limit, 4);
    for (const [name, values] of Object.entries(free.moved)) {
      const factor = isWeight(name) ? 1 / 3 : 1;
      expectClose(
        clipped.moved[name]!,
        values.map((value) => value * factor),
        1e-5,
      );
    }
    const loose = await stepOnce(tinyModel(), [batch], { clipNorm: norm * 2 });
    expect(loose.moved).toEqual(free.moved);
  });

  it("clips single elements of the weights' gradients", async () => {
    const { moved } = await stepOnce(tinyModel(), [batchOf(0, 1, 2)], { clipValue: 0.01 });
    const weights = Object.entries(moved).filter(([name]) => !isClipName(name));
    const largest = Math.max(...weights.flatMap(([, values]) => [...values].map(Math.abs)));
    expect(largest).toBeCloseTo(0.01, 5);
  });

  it("leaves frozen variables and their slots alone", async () => {
    const model = tinyModel();
    const trained = trainedVariables(model.variables, "TransformerEncoder/.*(kernel|gamma)$");
    const { moved } = await stepOnce(model, [batchOf(0, 1)], { trained });
    const frozen = Object.keys(moved).filter((name) => !trained.has(name));
    expect(frozen).toHaveLength(4 + 3);
    for (const name of frozen) expect(moved[name]!.every((delta) => delta === 0)).toBe(true);
    expect(normOf(moved, (name) => trained.has(name))).toBeGreaterThan(0.01);
  });

  it("draws other dropout masks at each step and each batch, the same for the same step", () => {
    const seedsOf = (dropout: StepDropout): number[] =>
      tf.tidy(() => Array.from({ length: 50 }, () => dropout.nextSeed().dataSync()[0]!));
    const first = seedsOf(new StepDropout(1, 7));
    expect(seedsOf(new StepDropout(1, 7))).toEqual(first);
    const all = [first, seedsOf(new StepDropout(1, 8)), seedsOf(new StepDropout(2, 7))].flat();
    expect(new Set(all).size).toBe(150);
  });
});

describe("trainedVariables", () => {
  it("refuses patterns that are broken, match nothing or everything", () => {
    const { variables } = tinyModel();
    for (const [pattern, message] of [
      ["(", /expected a regular expression/],
      ["no_such_layer", /matches none/],
      [".", /matches all/],
    ] as const) {
      expect(() => trainedVariables(variables, pattern)).toThrow(ConfigError);
      expect(() => trainedVariables(variables, pattern)).toThrow(message);
    }
    expect(trainedVariables(variables, null)).toBe(variables);
  });
});
