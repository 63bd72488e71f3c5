/** Training steps replayed as graphs do what eager ones do, and are taken up to the last bit. */
import * as tf from "@tensorflow/tfjs";
import { beforeAll, describe, expect, it } from "vitest";
import { selectBackend } from "../../src/backends/select.ts";
import { Trainer } from "../../src/train/trainer.ts";
import { hasNative } from "../helpers/native.ts";
import { captureRun } from "./captured-run.ts";
import { filesOf, QUANT, tinyBatches, tinyExamples, tinyOptions } from "./tiny-run.ts";
import { temporaryDirectory, tinyModel } from "./tiny-test.ts";

const KEY_BIASES = "transform/bias";

describe.skipIf(!hasNative)("captured training steps", () => {
  beforeAll(() => selectBackend("native", { threads: 2 }));

  // TensorFlow fuses and reorders some sums: last bits. The true gradient of a key's bias is 0, so that
  // Adam makes full steps of rounding noise there, which quantized scores feel; without these biases
  // quantized losses are the eager ones, too, until a last bit next to a tie decides for another code.
  it.each([
    { name: "float", quant: null, freeze: null, bounds: [3e-7, 3e-7] },
    { name: "quantized, but key biases", quant: QUANT, freeze: KEY_BIASES, bounds: [3e-7, 5e-3] },
    { name: "quantized", quant: QUANT, freeze: null, bounds: [5e-3, 5e-3] },
  ] as const)("have the losses of eager steps over 50 steps: $name", async (run) => {
    const { quant, freeze: freezeVariables, bounds } = run;
    const lengths = { trainSteps: 50, checkpointSteps: 100, validation: null };
    const settings = { ...lengths, quant, freezeVariables };
    const eager = await captureRun(temporaryDirectory(), { ...settings, capture: { eager: true } });
    const captured = await captureRun(temporaryDirectory(), { ...settings, capture: {} });
    expect(captured.losses).toHaveLength(50);
    captured.losses.forEach((loss, step) => {
      const bound = bounds[step < 10 ? 0 : 1];
      expect(Math.abs(loss - eager.losses[step]!)).toBeLessThan(bound * eager.losses[step]!);
    });
    expect(captured.notices.some((line) => /captured \d+ operations/.test(line))).toBe(true);
    expect(captured.notices.some((line) => line.includes("without a graph"))).toBe(false);
    expect(captured.losses[49]!).toBeLessThan(captured.losses[0]! * 0.9);
  });

  it("end with the same bytes in every file when the run is killed and taken up", async () => {
    const [whole, broken] = [temporaryDirectory(), temporaryDirectory()];
    await captureRun(whole, {});
    await captureRun(broken, {}, 4);
    await captureRun(broken, {});
    expect(filesOf(broken)).toEqual(filesOf(whole));
  });

  it("leave no tensor, handle or session behind", async () => {
    const backend = tf.backend() as unknown as {
      binding: { getNumOfSavedModels(): number };
      numDataIds(): number;
      getNumOfTFTensors(): number;
    };
    const count = (): number[] => [
      tf.memory().numTensors,
      backend.numDataIds(),
      backend.getNumOfTFTensors(),
      backend.binding.getNumOfSavedModels(),
    ];
    const seen: number[][] = [];
    const directory = temporaryDirectory();
    const settings = { trainSteps: 30, checkpointSteps: 100, validation: null };
    const batches = tinyBatches(12, tinyExamples(), true);
    const trainer = new Trainer(
      tinyOptions(directory, tinyModel(), { ...settings, batches, capture: {} }),
    );
    await trainer.train({ onStep: () => seen.push(count()) });
    trainer.dispose();
    expect(backend.binding.getNumOfSavedModels()).toBe(0);
    const warm = seen.slice(12);
    expect(new Set(warm.map(([tensors, dataIds]) => `${tensors} ${dataIds}`)).size).toBe(1);
    // Values of variables are inside or outside; never more than they are.
    expect(Math.max(...warm.map(([, , handles]) => handles!))).toBeLessThanOrEqual(
      Math.max(...seen.slice(0, 12).map(([, , handles]) => handles!)),
    );
  });
});
