import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs";
import { beforeAll, describe, expect, it } from "vitest";
import { selectBackend } from "../../src/backends/select.ts";
import { CheckpointError, TrainingError } from "../../src/errors.ts";
import type { Transformer } from "../../src/models/transformer.ts";
import { averageWeights } from "../../src/train/average.ts";
import { BestCheckpoints } from "../../src/train/best-checkpoints.ts";
import { latestCheckpoint, loadCheckpoint } from "../../src/train/checkpoint-store.ts";
import type { Validator } from "../../src/train/validator.ts";
import { scriptedValidator, tinyValidation, valuesOf } from "./tiny-run.ts";
import { temporaryDirectory, tinyModel } from "./tiny-test.ts";

beforeAll(() => selectBackend("cpu"));

function firstBias(model: Transformer): [string, tf.Variable] {
  return [...model.variables].find(([name]) => name.endsWith("/bias"))!;
}

/** Sets all of the first bias to a value, so that checkpoints can be told apart. */
function mark(model: Transformer, value: number): void {
  const [, bias] = firstBias(model);
  tf.tidy(() => {
    bias.assign(tf.fill(bias.shape, value));
  });
}

function files(directory: string): string[] {
  return readdirSync(directory).filter((name) => name.startsWith("ckpt-"));
}

describe("BestCheckpoints", () => {
  it("keeps the best by score, the later of equal ones, until deletion the others too", async () => {
    const directory = temporaryDirectory();
    const model = tinyModel(null);
    const best = new BestCheckpoints(tinyValidation(directory, { averageDir: null }));
    const validator = scriptedValidator([3, 5, 1, 5, 4]);
    const outcomes: boolean[] = [];
    for (const step of [0, 10, 20, 30, 40]) {
      outcomes.push((await best.add(model, step, validator)).isBest);
    }
    expect(outcomes).toEqual([true, true, false, true, false]);
    const bestDir = join(directory, "best");
    expect(best.progress.best).toEqual([
      { name: "ckpt-10", step: 10, score: 5 },
      { name: "ckpt-30", step: 30, score: 5 },
    ]);
    expect(latestCheckpoint(bestDir)).toEqual({ name: "ckpt-30", step: 30, score: 5 });
    expect(files(bestDir)).toHaveLength(3);
    best.deleteObsolete();
    expect(files(bestDir)).toEqual(["ckpt-10.safetensors", "ckpt-30.safetensors"]);
  });

  it("scores the average itself and gives the model its weights back", async () => {
    const directory = temporaryDirectory();
    const model = tinyModel(null);
    const best = new BestCheckpoints(tinyValidation(directory, { keep: 3 }));
    const seen: number[] = [];
    const validator: Validator = {
      validate: ({ variables }) => {
        const value = variables.get(firstBias(model)[0])!.dataSync()[0]!;
        seen.push(value);
        return Promise.resolve({ score: -Math.abs(value - 5), metrics: {} });
      },
    };
    for (const [step, value] of [
      [1, 1],
      [2, 8],
      [3, 9],
      [4, 13],
    ] as const) {
      mark(model, value);
      const before = valuesOf(model);
      await best.add(model, step, validator);
      expect(valuesOf(model)).toEqual(before);
    }
    // Alone, then with up to two before: (1+8)/2, (1+8+9)/3, (8+9+13)/3.
    expect(seen).toEqual([1, 8, 4.5, 9, 6, 13, 10]);
    expect(best.progress.best.at(-1)).toEqual({ name: "ckpt-2", step: 2, score: -3 });
    expect(best.progress.best_average).toEqual([{ name: "ckpt-2", step: 2, score: -0.5 }]);
    best.deleteObsolete();
    const average = loadCheckpoint(join(directory, "best_avg"));
    expect(average.step).toBe(2);
    expect(new Set(average.weights.get(firstBias(model)[0])!.data)).toEqual(new Set([4.5]));
    expect(files(join(directory, "best_avg", "recent"))).toHaveLength(3);
  });

  it("gives the weights back when the validation of the average fails", async () => {
    const directory = temporaryDirectory();
    const model = tinyModel(null);
    const best = new BestCheckpoints(tinyValidation(directory));
    await best.add(model, 1, scriptedValidator([1]));
    mark(model, 3);
    const before = valuesOf(model);
    const scores = [2, NaN];
    await expect(best.add(model, 2, scriptedValidator(scores))).rejects.toThrow(TrainingError);
    expect(valuesOf(model)).toEqual(before);
    // As if the second one had not been tried.
    expect(best.progress).toMatchObject({ last_step: 1, best: [{ name: "ckpt-1" }] });
    expect(latestCheckpoint(join(directory, "best"))).toMatchObject({ name: "ckpt-1" });
  });

  it("goes back to a saved state", async () => {
    const directory = temporaryDirectory();
    const model = tinyModel(null);
    const first = new BestCheckpoints(tinyValidation(directory));
    await first.add(model, 1, scriptedValidator([1]));
    first.deleteObsolete();
    const saved = first.progress;
    await first.add(model, 2, scriptedValidator([9, 9]));
    await first.add(model, 3, scriptedValidator([8, 8]));
    const second = new BestCheckpoints(tinyValidation(directory));
    expect(second.restore(saved)).toEqual([]);
    const companion = join(directory, "best_avg", "model_configs.yml");
    expect(readFileSync(companion, "utf8")).toMatch(/Transformer/);
    expect(files(join(directory, "best"))).toEqual(["ckpt-1.safetensors"]);
    expect(files(join(directory, "best_avg"))).toEqual([]);
    expect(latestCheckpoint(join(directory, "best_avg"))).toBeNull();
  });
});

describe("averageWeights", () => {
  const weights = (values: number[], shape = [values.length]) =>
    new Map([["w", { shape, data: Float32Array.from(values) }]]);

  it("is the mean, rounded once", () => {
    const mean = averageWeights([weights([1, 0.1]), weights([2, 0.2]), weights([6, 0.4])]);
    const f = Math.fround;
    expect([...mean.get("w")!.data]).toEqual([3, f((f(0.1) + f(0.2) + f(0.4)) / 3)]);
  });

  it("refuses nothing, other names and other shapes", () => {
    expect(() => averageWeights([])).toThrow(CheckpointError);
    const other = new Map([["v", { shape: [1], data: new Float32Array(1) }]]);
    expect(() => averageWeights([weights([1]), other])).toThrow(/checkpoint 2, "w"/);
    expect(() => averageWeights([weights([1, 2]), weights([1, 2], [2, 1])])).toThrow(
      /expected shape \[2\] .* received shape \[2, 1\]/,
    );
  });
});

describe("loadCheckpoint", () => {
  it("reads a file, a run's directory or a shipped model", () => {
    const shipped = new URL("../../pretrained/transformer-lohelp", import.meta.url).pathname;
    const { path, step, weights } = loadCheckpoint(shipped);
    expect(path).toBe(join(shipped, "model.safetensors"));
    expect(step).toBeNull();
    expect(weights.size).toBe(102);
    expect(loadCheckpoint(path).weights.size).toBe(102);
  });

  it("says what is missing", () => {
    const directory = temporaryDirectory();
    expect(() => loadCheckpoint(directory)).toThrow(/received one without/);
    expect(() => loadCheckpoint(join(directory, "none"))).toThrow(/no such file/);
    expect(existsSync(join(directory, "none"))).toBe(false);
  });
});
