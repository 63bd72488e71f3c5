/** A training step that finds no memory left. */
import * as tf from "@tensorflow/tfjs";
import { beforeAll, expect, it } from "vitest";
import { selectBackend } from "../../src/backends/select.ts";
import { makeBatch } from "../../src/data/make-batch.ts";
import { KernelError } from "../../src/errors.ts";
import { StepDropout } from "../../src/train/dropout-source.ts";
import { Adam } from "../../src/train/optimizer.ts";
import { TrainStep, type StepFigures } from "../../src/train/train-step.ts";
import { makeTinyModel, QUANT, tinyExamples } from "./tiny-run.ts";

interface Backend {
  makeOutput(shape: number[], dtype: tf.DataType): tf.TensorInfo;
  disposeData(dataId: object): boolean;
  numDataIds(): number;
}

/** Takes what is left of the 4 GiB; hardly any of it is ever touched. */
function takeAllMemory(backend: Backend): tf.TensorInfo[] {
  const taken: tf.TensorInfo[] = [];
  for (let elements = 2 ** 27; elements >= 2 ** 8; elements /= 2) {
    try {
      for (;;) taken.push(backend.makeOutput([elements], "float32"));
    } catch (error) {
      if (!(error instanceof KernelError)) throw error;
    }
  }
  return taken;
}

beforeAll(() => selectBackend("wasm"));

// How far the step gets depends on what is left.
it.each([0, 5, 60])(
  "with %s KiB left: an error, nothing left behind, and no harm",
  async (left) => {
    const batch = makeBatch(
      tinyExamples(),
      Int32Array.from({ length: 12 }, (_, i) => i),
      {
        start: 18,
        eos: 19,
      },
    );
    const setup = () => {
      const model = makeTinyModel(QUANT, "dp0.1");
      const adam = new Adam(model.variables, { beta1: 0.9, beta2: 0.98, epsilon: 1e-9 });
      const criterion = { per: "token", labelSmoothing: 0.1 } as const;
      const settings = { criterion, clipNorm: 1, clipValue: null, quant: QUANT };
      return { ...settings, model, trained: model.variables, optimizer: adam };
    };
    const step = (run: ReturnType<typeof setup>): Promise<StepFigures> =>
      new TrainStep(run).run([batch], new StepDropout(1, 0), { weights: 0.01, clips: 0.01 });
    const first = setup();
    const expected = await step(first);
    first.optimizer.dispose();
    first.model.dispose();

    const second = setup();
    const backend = tf.backend() as unknown as Backend;
    const before = [tf.memory().numTensors, backend.numDataIds()];
    const reserve = left === 0 ? null : backend.makeOutput([256 * left], "float32");
    const taken = takeAllMemory(backend);
    if (reserve !== null) backend.disposeData(reserve.dataId);
    await expect(step(second)).rejects.toThrow(/^wasm memory: expected room for .*smaller batches/);
    for (const { dataId } of taken) backend.disposeData(dataId);
    expect([tf.memory().numTensors, backend.numDataIds()]).toEqual(before);
    expect(await step(second)).toEqual(expected);
    second.optimizer.dispose();
    second.model.dispose();
  },
);
