/** Training steps of GNMT: they learn, stay finite and leave nothing behind. */
import * as tf from "@tensorflow/tfjs";
import { expect, it } from "vitest";
import { makeBatch } from "../../src/data/make-batch.ts";
import { resolveQuantConfig } from "../../src/quant/config.ts";
import { StepDropout } from "../../src/train/dropout-source.ts";
import { Adam } from "../../src/train/optimizer.ts";
import { TrainStep, type StepFigures } from "../../src/train/train-step.ts";
import { describeBackends } from "../helpers/backend-variants.ts";
import { makeTinyGnmt } from "../helpers/tiny-gnmt.ts";
import { TINY_SPECIAL, tinySentences } from "../helpers/tiny-transformer.ts";

const examples = tinySentences(8, 5).map((source) => ({ source, target: source }));
const BATCH = makeBatch(examples, Int32Array.from(examples.keys()), {
  start: TINY_SPECIAL.bos,
  eos: TINY_SPECIAL.eos,
});
const STEPS = 10;

interface Counts {
  numDataIds(): number;
}

/** Figures of steps on one batch, and tensors and buffers after each. */
async function train(
  quantParams: Record<string, unknown> | null,
  layers: number,
): Promise<{ figures: StepFigures[]; counts: [number, number][] }> {
  const model = makeTinyGnmt({ dropout: 0.1, num_layers: layers }, quantParams);
  const trained = model.variables;
  const optimizer = new Adam(trained, { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 });
  const quant = quantParams === null ? null : resolveQuantConfig(quantParams);
  const criterion = { per: "sentence", labelSmoothing: 0.1 } as const;
  const limits = { criterion, clipNorm: 5, clipValue: null };
  const step = new TrainStep({ model, quant, trained, optimizer, ...limits });
  const figures: StepFigures[] = [];
  const counts: [number, number][] = [];
  for (let i = 0; i < STEPS; i++) {
    const rates = { weights: 1e-2, clips: 2e-3 };
    figures.push(await step.run([BATCH], new StepDropout(1, i), rates));
    const backend = tf.backend() as unknown as Counts;
    counts.push([tf.memory().numTensors, backend.numDataIds()]);
  }
  step.dispose();
  optimizer.dispose();
  model.dispose();
  return { figures, counts };
}

it("is refused for ranges that have no gradient", async () => {
  for (const quant of [{ quant_act_mode: "asymmetric_signed" }, { quant_dynamic: true }]) {
    await expect(train(quant, 2)).rejects.toThrow("training learns symmetric clips");
  }
});

describeBackends("a training step of GNMT", () => {
  it.each([
    ["in float", null, 3],
    ["quantized", {}, 3],
    ["quantized, every operation rounded", { quant_compat: "distiller-2019" }, 2],
  ] as const)("%s", async (_, quantParams, layers) => {
    const before = tf.memory().numTensors;
    const { figures, counts } = await train(quantParams, layers);
    const losses = figures.map(({ taskLoss }) => taskLoss);
    expect(losses.at(-1)!).toBeLessThan(0.9 * losses[0]!);
    for (const { gradientNorm, unreached } of figures) {
      expect(Number.isFinite(gradientNorm)).toBe(true);
      expect(gradientNorm).toBeGreaterThan(0);
      expect(unreached).toEqual([]);
    }
    expect(new Set(counts.slice(2).map(String)).size).toBe(1);
    expect(tf.memory().numTensors).toBe(before);
  });
});
