/** A whole Transformer trains on native as on the other backends. */
import * as tf from "@tensorflow/tfjs";
import { afterEach, describe, expect, it, vi } from "vitest";
import { selectBackend } from "../../src/backends/select.ts";
import { makeBatch } from "../../src/data/make-batch.ts";
import { batchTensors, sequenceLoss } from "../../src/models/loss.ts";
import type { Transformer } from "../../src/models/transformer.ts";
import { resolveQuantConfig } from "../../src/quant/config.ts";
import { withPass } from "../../src/quant/pass.ts";
import { StepDropout } from "../../src/train/dropout-source.ts";
import { Adam } from "../../src/train/optimizer.ts";
import { TrainStep } from "../../src/train/train-step.ts";
import { BACKENDS } from "../helpers/backend-variants.ts";
import { hasNative } from "../helpers/native.ts";
import { makeTinyTransformer, TINY_SPECIAL, tinySentences } from "../helpers/tiny-transformer.ts";

const STEPS = 20;
const SENTENCES = 12;

const DROPOUT = Object.fromEntries(
  ["encoder", "decoder"].flatMap((stack) =>
    ["attention", "ffn", "layer_postprocess"].map((place) => [
      `${stack}.${place}_dropout_rate`,
      0.1,
    ]),
  ),
);

const MODES = [
  // What last bits grow to in twenty steps.
  { mode: "float", quantParams: null, tolerance: 2e-6 },
  // Where a value lies next to a tie, a last bit decides for another code.
  { mode: "quantized", quantParams: {}, tolerance: 3e-3 },
] as const;

type Mode = (typeof MODES)[number];

const sources = tinySentences(SENTENCES, 5);
const targets = tinySentences(SENTENCES, 6);
const BATCH = makeBatch(
  sources.map((source, i) => ({ source, target: targets[i]! })),
  Int32Array.from({ length: SENTENCES }, (_, i) => i),
  { start: TINY_SPECIAL.bos, eos: TINY_SPECIAL.eos },
);

interface Run {
  readonly model: Transformer;
  /** Makes the next step; returns its loss. */
  step(): Promise<number>;
  dispose(): void;
}

function startRun({ quantParams }: Mode): Run {
  const model = makeTinyTransformer(DROPOUT, quantParams);
  const trained = model.variables;
  const optimizer = new Adam(trained, { beta1: 0.9, beta2: 0.98, epsilon: 1e-9 });
  const quant = quantParams === null ? null : resolveQuantConfig(quantParams);
  const criterion = { per: "token", labelSmoothing: 0.1 } as const;
  const limits = { criterion, clipNorm: 1, clipValue: null };
  const train = new TrainStep({ ...{ model, quant, trained, optimizer }, ...limits });
  let steps = 0;
  return {
    model,
    async step() {
      const rates = { weights: 5e-3, clips: 5e-3 };
      const { taskLoss } = await train.run([BATCH], new StepDropout(7, ++steps), rates);
      return taskLoss;
    },
    dispose() {
      train.dispose();
      optimizer.dispose();
      for (const variable of model.variables.values()) variable.dispose();
    },
  };
}

async function lossesOn(backend: (typeof BACKENDS)[number], mode: Mode): Promise<number[]> {
  await selectBackend(backend);
  const run = startRun(mode);
  const losses: number[] = [];
  for (let i = 0; i < STEPS; i++) losses.push(await run.step());
  run.dispose();
  return losses;
}

describe("training from one seed", () => {
  it.each(MODES)("has the same losses on every backend, $mode", async (mode) => {
    const expected = await lossesOn("cpu", mode);
    expect(expected.at(-1)!).toBeLessThan(expected[0]! - 0.5);
    for (const backend of BACKENDS) {
      const losses = await lossesOn(backend, mode);
      losses.forEach((loss, i) => {
        const difference = Math.abs(loss / expected[i]! - 1);
        expect(difference, `${backend}, step ${i + 1}`).toBeLessThan(mode.tolerance);
      });
    }
  });
});

interface NativeBackend {
  binding: { tensorDataSync(id: number): ArrayLike<number> };
  numDataIds(): number;
  getNumOfTFTensors(): number;
}

describe.runIf(hasNative)("on native", () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  /** Runs `use` and counts how often it reads a tensor's values. */
  async function readsOf(use: () => unknown): Promise<number> {
    const backend = tf.backend() as unknown as NativeBackend;
    const { binding } = backend;
    const read = vi.fn((id: number) => binding.tensorDataSync(id));
    backend.binding = Object.create(binding, {
      tensorDataSync: { value: read },
    }) as typeof binding;
    try {
      await use();
    } finally {
      backend.binding = binding;
    }
    return read.mock.calls.length;
  }

  it.each(MODES)("a step reads its figures and nothing else, $mode", async (mode) => {
    await selectBackend("native");
    const run = startRun(mode);
    // Neither the first step, nor those that are traced, look at a value.
    for (let i = 0; i < 4; i++) expect(await readsOf(() => run.step())).toBe(1);
    const evaluate = (): void => {
      tf.tidy(() => {
        withPass(
          {},
          (pass) =>
            void sequenceLoss(
              run.model,
              batchTensors(BATCH),
              { per: "token", labelSmoothing: 0 },
              pass,
            ),
        );
      });
    };
    expect(await readsOf(evaluate)).toBe(0);
    run.dispose();
  });

  it.each(MODES)("memory stays flat, $mode", async (mode) => {
    await selectBackend("native");
    const backend = tf.backend() as unknown as NativeBackend;
    const count = (): number[] => [
      tf.memory().numTensors,
      backend.numDataIds(),
      backend.getNumOfTFTensors(),
    ];
    const atStart = count().slice(0, 2);
    const run = startRun(mode);
    for (let i = 0; i < 5; i++) await run.step();
    const before = count();
    for (let i = 0; i < 10; i++) await run.step();
    expect(count()).toEqual(before);
    run.dispose();
    expect(count().slice(0, 2)).toEqual(atStart);
  });
});
