import * as tf from "@tensorflow/tfjs";
import { beforeAll, expect, it } from "vitest";
import { selectBackend } from "../../src/backends/select.ts";
import { Trainer } from "../../src/train/trainer.ts";
import { memoryCounts, tinyOptions } from "./tiny-run.ts";
import { temporaryDirectory, tinyModel } from "./tiny-test.ts";

const STEPS = 1000;
/** Steps after which every batch shape has been seen and wasm's heap has its size. */
const WARM_UP = 100;
/** Steps after which JavaScript's heap has grown to what its garbage collector likes. */
const SETTLED = 300;
/** Growth that garbage collection may leave in resident memory, MiB. */
const TOLERANCE = 48;

interface Memory {
  readonly tensors: number;
  readonly buffers: number;
  readonly heapBytes: number;
  readonly residentMiB: number;
}

function memory(): Memory {
  const { wasm } = tf.backend() as unknown as { wasm: { HEAPU8: Uint8Array } };
  const [tensors, buffers] = memoryCounts();
  const residentMiB = process.memoryUsage.rss() / 2 ** 20;
  return { tensors, buffers, heapBytes: wasm.HEAPU8.length, residentMiB };
}

beforeAll(() => selectBackend("wasm"));

it("1,000 steps of quantization-aware training leave memory as it was", async () => {
  const settings = { trainSteps: STEPS, checkpointSteps: STEPS, summarySteps: 100 };
  const trainer = new Trainer(tinyOptions(temporaryDirectory(), tinyModel(), settings));
  const seen = new Map<number, Memory>();
  await trainer.train({
    onStep: ({ step }) => {
      if (step % WARM_UP === 0) seen.set(step, memory());
    },
  });
  trainer.dispose();
  const [first, ...later] = [...seen.values()];
  expect(later).toHaveLength(STEPS / WARM_UP - 1);
  for (const { tensors, buffers, heapBytes } of later) {
    expect([tensors, buffers, heapBytes]).toEqual([
      first!.tensors,
      first!.buffers,
      first!.heapBytes,
    ]);
  }
  const settled = seen.get(SETTLED)!;
  expect(later.at(-1)!.residentMiB - settled.residentMiB).toBeLessThan(TOLERANCE);
});
