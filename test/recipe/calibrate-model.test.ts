import { beforeAll, expect, it } from "vitest";
import { selectBackend } from "../../src/backends/select.ts";
import { TrainingError } from "../../src/errors.ts";
import { batchTensors } from "../../src/models/loss.ts";
import { calibrateClips } from "../../src/quant/calibrate.ts";
import { resolveQuantConfig } from "../../src/quant/config.ts";
import type { Pass } from "../../src/quant/pass.ts";
import { calibrateModel } from "../../src/recipe/calibrate-model.ts";
import type { RunReporter } from "../../src/recipe/run-reporter.ts";
import { makeTinyModel, memoryCounts, tinyBatches, valuesOf } from "../train/tiny-run.ts";

beforeAll(() => selectBackend("cpu"));

// At 3 bits the method matters: a narrower clip than the largest value has the smaller error.
const QUANT = resolveQuantConfig({ quant_bits: 3 });
const stream = tinyBatches();
const batches = [stream.next(), stream.next()];

it("sets the clips of calibrateClips' default method, telling how far it is", () => {
  const model = makeTinyModel(QUANT, "dp0.0");
  const seen: string[] = [];
  const reporter: RunReporter = {
    note: () => undefined,
    progress: (label, unit) => ({
      update: (done, total) => seen.push(`${label} ${done}/${total} ${unit}`),
      end: () => seen.push("end"),
    }),
  };
  const before = memoryCounts();
  const names = calibrateModel(model, { batches, only: null, reporter });
  expect(memoryCounts()).toEqual(before);
  expect(seen).toEqual(["calibrate 1/2 batches", "calibrate 2/2 batches", "end"]);

  const calibrated = (method: "mse" | "max"): Record<string, Float32Array> => {
    const other = makeTinyModel(QUANT, "dp0.0");
    const passes = batches.map((batch) => (pass: Pass) => {
      const { source, sourceLengths, targetInput, targetLengths } = batchTensors(batch);
      other.logits(source, sourceLengths, targetInput, { ...pass, targetLengths });
    });
    expect(calibrateClips(other, passes, { method })).toEqual(names);
    const values = valuesOf(other);
    other.dispose();
    return values;
  };
  expect(valuesOf(model)).toEqual(calibrated("mse"));
  expect(valuesOf(model)).not.toEqual(calibrated("max"));
  model.dispose();
});

it("sets only what is asked for, and says when there is no text", () => {
  const model = makeTinyModel(QUANT, "dp0.0");
  const clip = [...model.variables.keys()].find((name) => name.endsWith("output_ln_clip_max"))!;
  const before = valuesOf(model);
  expect(calibrateModel(model, { batches, only: new Set([clip]) })).toEqual([clip]);
  const after = valuesOf(model);
  const changed = Object.keys(after).filter((name) => after[name]![0] !== before[name]![0]);
  expect(changed).toEqual([clip]);
  expect(() => calibrateModel(model, { batches: [], only: null })).toThrow(TrainingError);
  model.dispose();
});
