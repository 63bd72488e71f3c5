/** Captured training at length: compiled by XLA, and over many shapes. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import * as tf from "@tensorflow/tfjs";
import { beforeAll, describe, expect, it } from "vitest";
import { selectBackend } from "../../src/backends/select.ts";
import type { Batch } from "../../src/data/batch.ts";
import { makeBatch } from "../../src/data/make-batch.ts";
import { Adam } from "../../src/train/optimizer.ts";
import { StepDropout } from "../../src/train/dropout-source.ts";
import { TrainStep } from "../../src/train/train-step.ts";
import { hasNative } from "../helpers/native.ts";
import { captureRun } from "./captured-run.ts";
import { QUANT, tinyExamples } from "./tiny-run.ts";
import { temporaryDirectory, tinyModel } from "./tiny-test.ts";

const STEPS = 2000;
const SHAPES = 20;
/** Steps after which every shape is captured and the heaps have their size. */
const WARM_UP = 600;
/** Growth that malloc may leave in resident memory, MiB. */
const TOLERANCE = 16;

setFlagsFromString("--expose-gc");
/** Collects garbage, whose amount otherwise is V8's choice. */
const collect = runInNewContext("gc") as () => void;

interface NativeCounts {
  readonly binding: { getNumOfSavedModels(): number };
  numDataIds(): number;
  getNumOfTFTensors(): number;
}

describe.skipIf(!hasNative)("captured training steps", () => {
  beforeAll(() => selectBackend("native", { threads: 2 }));

  it("have the losses of eager steps over 50 steps when XLA compiles them", async () => {
    const settings = { quant: QUANT, trainSteps: 50, checkpointSteps: 100, validation: null };
    const eager = await captureRun(temporaryDirectory(), { ...settings, capture: { eager: true } });
    const compiled = await captureRun(temporaryDirectory(), {
      ...settings,
      capture: { xla: true },
    });
    expect(compiled.losses).toHaveLength(50);
    compiled.losses.forEach((loss, step) => {
      // Next to a tie of a quantizer a last bit decides for another code.
      expect(Math.abs(loss - eager.losses[step]!)).toBeLessThan(5e-3 * eager.losses[step]!);
    });
    expect(compiled.notices.some((line) => line.includes("without a graph"))).toBe(false);
  });

  it(`leave memory as it was over ${STEPS} steps of ${SHAPES} shapes`, async () => {
    const model = tinyModel();
    const trained = model.variables;
    const optimizer = new Adam(trained, { beta1: 0.9, beta2: 0.98, epsilon: 1e-9 });
    const criterion = { per: "token", labelSmoothing: 0.1 } as const;
    const limits = { criterion, clipNorm: 1, clipValue: null };
    const train = new TrainStep({ model, quant: QUANT, trained, optimizer, ...limits });
    const batches = shapes();
    const native = tf.backend() as unknown as NativeCounts;
    const seen: { counts: string; handles: number; resident: number }[] = [];
    for (let step = 0; step < STEPS; step++) {
      const batch = batches[step % SHAPES]!;
      await train.run([batch], new StepDropout(1, step), { weights: 1e-3, clips: 1e-3 });
      if ((step + 1) % SHAPES !== 0 || step < WARM_UP) continue;
      collect();
      seen.push({
        counts: [
          tf.memory().numTensors,
          native.numDataIds(),
          native.binding.getNumOfSavedModels(),
        ].join(),
        handles: native.getNumOfTFTensors(),
        resident: process.memoryUsage.rss() / 2 ** 20,
      });
    }
    expect(new Set(seen.map(({ counts }) => counts)).size).toBe(1);
    expect(new Set(seen.map(({ handles }) => handles)).size).toBe(1);
    expect(native.binding.getNumOfSavedModels()).toBe(SHAPES);
    const halves = [seen.slice(0, seen.length / 2), seen.slice(seen.length / 2)] as const;
    const most = halves.map((half) => Math.max(...half.map(({ resident }) => resident)));
    expect(most[1]! - most[0]!).toBeLessThan(TOLERANCE);
    train.dispose();
    optimizer.dispose();
    expect(native.binding.getNumOfSavedModels()).toBe(0);
  });
});

/** Batches of {@link SHAPES} different shapes. */
function shapes(): Batch[] {
  const examples = tinyExamples(60);
  return Array.from({ length: SHAPES }, (_, i) => {
    const size = 3 + (i % 5);
    const indices = Int32Array.from({ length: size }, (_, row) => (7 * i + row) % examples.length);
    const lengths = { source: 8 + Math.floor(i / 5), target: 9 + Math.floor(i / 5) };
    return makeBatch(examples, indices, { start: 18, eos: 19 }, lengths);
  });
}
