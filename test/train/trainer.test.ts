import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { selectBackend } from "../../src/backends/select.ts";
import { TrainingError } from "../../src/errors.ts";
import { isClipName } from "../../src/quant/clip-name.ts";
import { linearSchedule } from "../../src/train/schedule.ts";
import { Trainer } from "../../src/train/trainer.ts";
import type { StepReport, TrainerOptions, TrainProgress } from "../../src/train/train-options.ts";
import { describeBackends } from "../helpers/backend-variants.ts";
import {
  memoryCounts,
  QUANT,
  scriptedValidator,
  tinyBatches,
  tinyExamples,
  tinyOptions,
  tinyValidation,
  valuesOf,
} from "./tiny-run.ts";
import { temporaryDirectory, tinyModel } from "./tiny-test.ts";

async function train(
  settings: Partial<TrainerOptions> = {},
  progress: TrainProgress = {},
  model = tinyModel(),
) {
  const directory = settings.modelDir ?? temporaryDirectory();
  const trainer = new Trainer(tinyOptions(directory, model, settings));
  try {
    return { directory, model, result: await trainer.train(progress) };
  } finally {
    trainer.dispose();
  }
}

const constantRate = (rate: number) => () =>
  linearSchedule({ peakRate: rate, endRate: rate, warmupSteps: 0, firstStep: 0, lastStep: 1e6 });

describeBackends("a run", (backend) => {
  it("learns", async () => {
    const losses: number[] = [];
    const settings = { trainSteps: 24, checkpointSteps: 1000, schedule: constantRate(0.02) };
    await train(settings, { onStep: ({ taskLoss }) => losses.push(taskLoss) });
    const mean = (values: number[]): number => values.reduce((a, b) => a + b) / values.length;
    expect(mean(losses.slice(-6))).toBeLessThan(mean(losses.slice(0, 6)) * 0.9);
  });

  it("keeps the number of tensors and memory blocks", async () => {
    const trainSteps = backend === "wasm" ? 100 : 10;
    const counts: [number, number][] = [];
    const settings = { trainSteps, checkpointSteps: 1000 };
    await train(settings, { onStep: () => counts.push(memoryCounts()) });
    expect(counts).toHaveLength(trainSteps);
    expect(counts.at(-1)).toEqual(counts[1]);
  });
});

describe("a run", () => {
  beforeAll(() => selectBackend("cpu"));

  it("frees all that it made", async () => {
    const model = tinyModel();
    const before = memoryCounts();
    const directory = temporaryDirectory();
    await train({ modelDir: directory, validation: tinyValidation(directory) }, {}, model);
    expect(memoryCounts()).toEqual(before);
  });

  it("reports steps, checkpoints and time left", async () => {
    let now = 0;
    const reports: StepReport[] = [];
    const checkpoints: string[] = [];
    const { directory, result } = await train(
      { clock: () => (now += 2) },
      {
        onStep: (report) => reports.push(report),
        onCheckpoint: (path) => checkpoints.push(path),
      },
    );
    expect(reports.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6]);
    for (const { loss, taskLoss, clipPenalty } of reports)
      expect(loss).toBe(taskLoss + clipPenalty);
    // Each step lasts one tick of the clock, two seconds.
    expect(reports.map(({ secondsLeft }) => secondsLeft)).toEqual([10, 8, 6, 4, 2, 0]);
    expect(reports[0]!.tokensPerSecond).toBeGreaterThan(0);
    expect(checkpoints).toEqual(
      ["ckpt-3", "ckpt-6"].map((name) => join(directory, `${name}.safetensors`)),
    );
    expect(result).toEqual({
      status: "finished",
      step: 6,
      targetStep: 6,
      best: null,
      bestAverage: null,
    });
  });

  it("keeps the last checkpoints only", async () => {
    const { directory } = await train({ checkpointSteps: 1, checkpointsToKeep: 2 });
    const names = readdirSync(directory).filter((name) => name.startsWith("ckpt-"));
    expect(names.sort()).toEqual([
      "ckpt-5.safetensors",
      "ckpt-5.state.safetensors",
      "ckpt-6.safetensors",
      "ckpt-6.state.safetensors",
    ]);
  });

  it("gives clips their own rate, which follows the schedule", async () => {
    const model = tinyModel();
    const before = valuesOf(model);
    const schedule = () => ({ rate: (step: number) => (step === 0 ? 1e-6 : 4e-6), turns: [1] });
    await train({ schedule, trainSteps: 2 }, {}, model);
    const after = valuesOf(model);
    const movedBy = (name: string): number => Math.abs(before[name]![0]! - after[name]![0]!);
    // Only the L2 term reaches the clips of activations within range: Adam moves by the rate. The
    // default rate of clips is 0.002, a quarter of it at the first step.
    const clip = Object.keys(before).find((name) => name.endsWith("output_ln_clip_max"))!;
    expect(movedBy(clip)).toBeCloseTo(0.0025, 5);
    const kernel = Object.keys(before).find((name) => name.endsWith("dense1/kernel"))!;
    expect(movedBy(kernel)).toBeLessThan(6e-6);
    expect(isClipName(clip)).toBe(true);
  });

  it("drops other units at each step", async () => {
    const lossesWith = async (dropout: "dp0.1" | "dp0.0"): Promise<number[]> => {
      const losses: number[] = [];
      const batches = tinyBatches(1, tinyExamples(1));
      const settings = { batches, schedule: constantRate(0), trainSteps: 3, checkpointSteps: 100 };
      const progress = { onStep: ({ taskLoss }: StepReport) => losses.push(taskLoss) };
      await train(settings, progress, tinyModel(QUANT, dropout));
      return losses;
    };
    expect(new Set(await lossesWith("dp0.0")).size).toBe(1);
    expect(new Set(await lossesWith("dp0.1")).size).toBe(3);
  });

  it("stops at a loss that is not finite and keeps the last good checkpoint", async () => {
    const directory = temporaryDirectory();
    const model = tinyModel();
    const poison: TrainProgress = {
      onStep: ({ step }) => {
        if (step !== 4) return;
        const bias = [...model.variables].find(([name]) => name.endsWith("bias"))![1];
        bias.assign(bias.mul(NaN).add(NaN));
      },
    };
    const run = train({ modelDir: directory }, poison, model);
    await expect(run).rejects.toThrow(TrainingError);
    await expect(run).rejects.toThrow(
      /training step 5: expected a finite task loss, received NaN\. The last good checkpoint is .*ckpt-3/,
    );
    expect(existsSync(join(directory, "ckpt-6.safetensors"))).toBe(false);
    const { result } = await train({ modelDir: directory });
    expect(result).toMatchObject({ status: "finished", step: 6 });
  });

  it("saves no weights that are not finite", async () => {
    const model = tinyModel();
    const poison: TrainProgress = {
      onStep: ({ step }) => {
        const [, bias] = [...model.variables].find(([name]) => name.endsWith("bias"))!;
        if (step === 3) bias.assign(bias.add(Infinity));
      },
    };
    const directory = temporaryDirectory();
    await expect(train({ modelDir: directory }, poison, model)).rejects.toThrow(
      /expected finite values in .*bias, received Infinity\. No checkpoint had been saved/,
    );
    expect(readdirSync(directory).filter((name) => name.startsWith("ckpt"))).toEqual([]);
  });

  it("stops early by patience, for good", async () => {
    const directory = temporaryDirectory();
    const validator = scriptedValidator([5, 7, 7, 6, 5]);
    const validation = tinyValidation(directory, {
      validator,
      everySteps: 1,
      patience: 2,
      averageDir: null,
    });
    const { result } = await train({ modelDir: directory, validation });
    // Step 2 ties with the best, which is not worse; 3 and 4 are.
    expect(result).toEqual({
      status: "stopped_early",
      step: 4,
      targetStep: 6,
      best: { name: "ckpt-2", step: 2, score: 7 },
      bestAverage: null,
    });
    const again = await train({ modelDir: directory, validation });
    expect(again.result).toEqual({ ...result, status: "already_finished" });
    const notices: string[] = [];
    const longer = await train(
      { modelDir: directory, validation, trainSteps: 7 },
      { onNotice: (notice) => notices.push(notice) },
    );
    expect(longer.result.step).toBeGreaterThan(4);
    expect(notices).toEqual([expect.stringMatching(/end at step 6; .* at step 7$/)]);
  });

  it("refuses to start over the best checkpoints of another run", async () => {
    const first = temporaryDirectory();
    await train({ modelDir: first, validation: tinyValidation(first) });
    const second = temporaryDirectory();
    const companions = new Map([["model_configs.yml", "of the second run"]]);
    const validation = tinyValidation(first, { companions });
    await expect(train({ modelDir: second, validation })).rejects.toThrow(
      /best: expected no checkpoints of another run/,
    );
    expect(existsSync(join(second, "checkpoint"))).toBe(false);
    expect(readFileSync(join(first, "best", "model_configs.yml"), "utf8")).toMatch(/Transformer/);
    expect(JSON.parse(readFileSync(join(first, "best", "checkpoint"), "utf8"))).toMatchObject({
      version: 1,
    });
  });
});
