import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { decodeTfEvents } from "../../src/formats/tfevents.ts";
import { CheckpointError, ConfigError } from "../../src/errors.ts";
import { loadCheckpoint } from "../../src/train/checkpoint-store.ts";
import { Trainer } from "../../src/train/trainer.ts";
import type { Validator } from "../../src/train/validator.ts";
import type { TrainerOptions, TrainResult } from "../../src/train/train-options.ts";
import { describeBackends } from "../helpers/backend-variants.ts";
import {
  biasValidator,
  filesOf,
  QUANT,
  tinyOptions,
  tinyValidation,
  valuesOf,
} from "./tiny-run.ts";
import { temporaryDirectory, tinyModel } from "./tiny-test.ts";
import { selectBackend } from "../../src/backends/select.ts";

/** Thrown out of the loop at a step, as if the process died there. */
class Killed extends Error {}

type Settings = Partial<TrainerOptions>;

/** What the runs of a test have noticed. */
const notices: string[] = [];
beforeEach(() => {
  notices.length = 0;
});

/** A fresh process: new model, new data, new trainer; runs to the end or to its death. */
async function runProcess(
  modelDir: string,
  settings: Settings = {},
  dieAt: { step?: number; validation?: number } = {},
): Promise<TrainResult | "killed"> {
  const validation = tinyValidation(modelDir);
  const options = tinyOptions(modelDir, tinyModel(), { validation, ...settings });
  const trainer = new Trainer(options);
  try {
    return await trainer.train({
      onNotice: (notice) => notices.push(notice),
      onStep: ({ step }) => {
        if (step === dieAt.step) throw new Killed();
      },
      onValidation: ({ step }) => {
        if (step === dieAt.validation) throw new Killed();
      },
    });
  } catch (error) {
    if (error instanceof Killed) return "killed";
    throw error;
  } finally {
    trainer.dispose();
  }
}

describeBackends("a run that is killed and started again", () => {
  it("ends with the same bytes in every file", async () => {
    const whole = temporaryDirectory();
    expect(await runProcess(whole)).toMatchObject({ status: "finished", step: 6 });
    const expected = filesOf(whole);
    expect(Object.keys(expected)).toEqual([
      "best/checkpoint",
      "best/ckpt-0.safetensors",
      "best/ckpt-2.safetensors",
      "best/model_configs.yml",
      "best_avg/checkpoint",
      "best_avg/ckpt-2.safetensors",
      "best_avg/model_configs.yml",
      "best_avg/recent/checkpoint",
      "best_avg/recent/ckpt-4.safetensors",
      "best_avg/recent/ckpt-6.safetensors",
      "checkpoint",
      "ckpt-3.safetensors",
      "ckpt-3.state.safetensors",
      "ckpt-6.safetensors",
      "ckpt-6.state.safetensors",
      "metrics.jsonl",
    ]);
    const broken = temporaryDirectory();
    for (const dieAt of [{ validation: 0 }, { step: 3 }, { validation: 4 }, { step: 6 }]) {
      expect(await runProcess(broken, {}, dieAt), JSON.stringify(dieAt)).toBe("killed");
    }
    expect(await runProcess(broken)).toMatchObject({ status: "finished", step: 6 });
    expect(filesOf(broken)).toEqual(expected);
    expect(notices).toEqual([]);
  });

  it("gives the model in memory the same bits", async () => {
    const [whole, broken] = [temporaryDirectory(), temporaryDirectory()];
    const settings: Settings = { updateCycle: 2, checkpointSteps: 2, validation: null };
    await runProcess(whole, settings);
    await runProcess(broken, settings, { step: 3 });
    const model = tinyModel();
    const trainer = new Trainer(tinyOptions(broken, model, settings));
    expect(trainer.resumedFrom).toBe(2);
    await trainer.train();
    trainer.dispose();
    const values = valuesOf(model);
    for (const [name, { data }] of loadCheckpoint(whole).weights) {
      expect(values[name]).toEqual(data);
    }
  });
});

describe("resuming", () => {
  const start = async (): Promise<string> => {
    await selectBackend("cpu");
    return temporaryDirectory();
  };

  it("stops at a signal with a checkpoint and goes on to the same end", async () => {
    const whole = await start();
    await runProcess(whole);
    const directory = temporaryDirectory();
    const validation = tinyValidation(directory);
    const trainer = new Trainer(tinyOptions(directory, tinyModel(), { validation }));
    const controller = new AbortController();
    const result = await trainer.train(
      {
        onStep: ({ step }) => {
          // Step 4 is to be validated: the next run must do that first.
          if (step === 4) controller.abort();
        },
      },
      controller.signal,
    );
    trainer.dispose();
    expect(result).toMatchObject({ status: "interrupted", step: 4 });
    expect(existsSync(join(directory, "ckpt-4.state.safetensors"))).toBe(true);
    expect(await runProcess(directory)).toMatchObject({ status: "finished", step: 6 });
    const [received, expected] = [filesOf(directory), filesOf(whole)];
    for (const [name, bytes] of Object.entries(expected)) {
      // The index lists ckpt-4 and the lengths of the logs, which are the same.
      if (name !== "checkpoint") expect(received[name] === bytes, name).toBe(true);
    }
  });

  it("repeats a validation that a signal has cut short", async () => {
    const whole = await start();
    await runProcess(whole);
    const directory = temporaryDirectory();
    const controller = new AbortController();
    let calls = 0;
    const validator: Validator = {
      validate: (model, step, signal) => {
        // The fifth call judges the average at step 4.
        if (++calls === 5) controller.abort();
        signal?.throwIfAborted();
        return biasValidator.validate(model, step);
      },
    };
    const validation = tinyValidation(directory, { validator });
    const trainer = new Trainer(tinyOptions(directory, tinyModel(), { validation }));
    const result = await trainer.train({}, controller.signal);
    trainer.dispose();
    expect(result).toMatchObject({ status: "interrupted", step: 4, best: { step: 0 } });
    await runProcess(directory);
    const [received, expected] = [filesOf(directory), filesOf(whole)];
    for (const name of Object.keys(expected)) {
      if (name !== "checkpoint") expect(received[name] === expected[name], name).toBe(true);
    }
  });

  it("says that a finished run is finished, and leaves it alone", async () => {
    const directory = await start();
    const first = await runProcess(directory);
    const before = filesOf(directory);
    const again = await runProcess(directory);
    expect(again).toEqual({ ...(first as TrainResult), status: "already_finished" });
    expect(filesOf(directory)).toEqual(before);
  });

  it("counts from initial_global_step, and goes on where the same command ended", async () => {
    const directory = await start();
    const settings: Settings = { initialStep: 250, trainSteps: 3, checkpointSteps: 2 };
    await runProcess(directory, settings, { step: 252 });
    expect(await runProcess(directory, settings)).toMatchObject({ step: 253, targetStep: 253 });
    // Without initial_global_step the run's own start counts.
    expect(await runProcess(directory, { ...settings, initialStep: null })).toMatchObject({
      status: "already_finished",
    });
    expect(await runProcess(directory, { ...settings, trainSteps: 4 })).toMatchObject({
      status: "finished",
      step: 254,
    });
  });

  it("keeps the schedule of its own start without initial_global_step", async () => {
    const whole = await start();
    const settings: Settings = { initialStep: 250, checkpointSteps: 2 };
    await runProcess(whole, settings);
    const broken = temporaryDirectory();
    expect(await runProcess(broken, settings, { step: 253 })).toBe("killed");
    expect(await runProcess(broken, { ...settings, initialStep: null })).toMatchObject({
      status: "finished",
      step: 256,
    });
    expect(filesOf(broken)).toEqual(filesOf(whole));
  });

  it("clears temporary files of a killed process", async () => {
    const directory = await start();
    await runProcess(directory, { validation: null }, { step: 5 });
    writeFileSync(join(directory, ".ckpt-6.safetensors.tmp"), "half a file");
    writeFileSync(join(directory, "ckpt-6.state.safetensors"), "not committed");
    await runProcess(directory, { validation: null });
    const whole = temporaryDirectory();
    await runProcess(whole, { validation: null });
    expect(filesOf(directory)).toEqual(filesOf(whole));
  });

  it("goes on from an older checkpoint where the index is put back by hand", async () => {
    const directory = await start();
    await runProcess(directory);
    const path = join(directory, "checkpoint");
    const index = JSON.parse(readFileSync(path, "utf8")) as { checkpoints: unknown[] };
    index.checkpoints.pop();
    writeFileSync(path, JSON.stringify(index));
    expect(await runProcess(directory)).toMatchObject({ status: "finished", step: 6 });
    expect(notices).toEqual(
      ["ckpt-0", "ckpt-2"].map((name) => {
        const gone = join(directory, "best_avg", "recent", `${name}.safetensors`);
        return `${gone} is gone: it no longer counts`;
      }),
    );
  });
});

describe("a model directory that does not fit", () => {
  const trained = async (settings: Settings = {}): Promise<string> => {
    await selectBackend("cpu");
    const directory = temporaryDirectory();
    await runProcess(directory, { validation: null, ...settings });
    return directory;
  };
  const resume =
    (directory: string, settings: Settings = {}) =>
    () =>
      new Trainer(tinyOptions(directory, tinyModel(settings.quant ?? QUANT), settings));

  it("refuses another seed, other data and a later start", async () => {
    const directory = await trained();
    expect(resume(directory, { seed: 3 })).toThrow(/seed: expected 2, .* received 3/);
    expect(resume(directory, { initialStep: 7 })).toThrow(ConfigError);
  });

  it.each([
    ["cut off", (bytes: Buffer) => bytes.subarray(0, bytes.length - 5)],
    ["empty", () => Buffer.alloc(0)],
    ["of a huge header", (bytes: Buffer) => Buffer.concat([Buffer.alloc(7, 255), bytes])],
  ])("refuses a checkpoint that is %s and says how to go on", async (_, damage) => {
    const directory = await trained();
    for (const name of ["ckpt-6.state.safetensors", "ckpt-6.safetensors"]) {
      const path = join(directory, name);
      const bytes = readFileSync(path);
      writeFileSync(path, damage(bytes));
      expect(resume(directory), name).toThrow(CheckpointError);
      expect(resume(directory), name).toThrow(
        /expected an intact ckpt-6, received a damaged one .* to go on from ckpt-3/,
      );
      writeFileSync(path, bytes);
    }
    resume(directory)().dispose();
  });

  it("refuses an index that is lost, damaged or points outside", async () => {
    const directory = await trained();
    const path = join(directory, "checkpoint");
    const index = readFileSync(path, "utf8");
    writeFileSync(path, index.slice(0, 40));
    expect(resume(directory)).toThrow(/checkpoint: expected JSON/);
    writeFileSync(path, index.replaceAll("ckpt-6", "../../ckpt-6"));
    expect(resume(directory)).toThrow(/checkpoints\.1\.name/);
    rmSync(path);
    expect(resume(directory)).toThrow(/expected the index of the checkpoints/);
    writeFileSync(path, index);
    rmSync(join(directory, "ckpt-3.safetensors"));
    expect(resume(directory)).toThrow(/expected ckpt-3.safetensors, which its index lists/);
  });

  it("refuses a model with other variables", async () => {
    const directory = await trained();
    expect(() => new Trainer(tinyOptions(directory, tinyModel(null), { quant: null }))).toThrow(
      CheckpointError,
    );
    // A float run does not go on as a quantized one, not even with all clips frozen.
    const float = temporaryDirectory();
    const trainer = new Trainer(tinyOptions(float, tinyModel(null), { quant: null }));
    await trainer.train();
    trainer.dispose();
    expect(resume(float)).toThrow(/optimizer slot m\/.*_clip_max: expected/);
    expect(resume(float, { freezeVariables: "_clip_max$" })).toThrow(/expected all clips/);
    expect(resume(directory, { freezeVariables: "TransformerEncoder" })).toThrow(
      /optimizer slot .* freeze_variables/,
    );
  });
});

describe("logs", () => {
  it("hold each step once, without the clock in metrics.jsonl", async () => {
    await selectBackend("cpu");
    const directory = temporaryDirectory();
    let now = 5;
    const clock = (): number => (now += 0.25);
    await runProcess(directory, { clock }, { step: 5 });
    writeFileSync(join(directory, "metrics.jsonl"), `${"not committed ".repeat(200)}\n`, {
      flag: "a",
    });
    await runProcess(directory, { clock });
    const lines = readFileSync(join(directory, "metrics.jsonl"), "utf8").trim().split("\n");
    const entries = lines.map((line) => JSON.parse(line) as { kind: string; step: number });
    const steps = (kind: string): number[] =>
      entries.filter((entry) => entry.kind === kind).map(({ step }) => step);
    expect(steps("training")).toEqual([2, 4, 6]);
    expect(steps("validation")).toEqual([0, 2, 4, 6]);
    expect(steps("average")).toEqual([2, 4, 6]);
    expect(entries.find(({ kind, step }) => kind === "validation" && step === 2)).toEqual({
      kind: "validation",
      step: 2,
      score: expect.any(Number) as number,
      biases: expect.any(Number) as number,
    });
    expect(Object.keys(entries.find(({ kind }) => kind === "training")!)).toEqual([
      "kind",
      "step",
      "loss",
      "task_loss",
      "clip_penalty",
      "gradient_norm",
      "learning_rate",
    ]);
    const path = join(directory, "train", "events.out.tfevents.0.tfjs-qat");
    const events = decodeTfEvents(readFileSync(path), path);
    expect(events[0]).toMatchObject({ fileVersion: "brain.Event:2" });
    const losses = events.filter(({ values }) => values[0]?.tag === "training/loss");
    expect(losses.map(({ step }) => step)).toEqual([2, 4, 6]);
    const tags = losses[0]!.values.map(({ tag }) => tag);
    expect(tags).toContain("training/target_tokens_per_second");
  });
});
