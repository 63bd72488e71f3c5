import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import * as tf from "@tensorflow/tfjs";
import { beforeAll, expect, it } from "vitest";
import { selectBackend } from "../../src/backends/select.ts";
import { Trainer } from "../../src/train/trainer.ts";
import { memoryCounts, tinyOptions } from "./tiny-run.ts";
import { temporaryDirectory, tinyModel } from "./tiny-test.ts";

const STEPS = 1000;
/** Steps after which every batch shape has been seen and the heaps have their size. */
const WARM_UP = 100;
/** Growth that fragments may leave in resident memory, MiB. */
const TOLERANCE = 48;
/** Growth of what JavaScript holds after a collection: the log's lines and compiled code, MiB. */
const HEAP_TOLERANCE = 4;

setFlagsFromString("--expose-gc");
/** Collects garbage, whose amount otherwise is V8's choice. */
const collect = runInNewContext("gc") as () => void;

interface Memory {
  readonly tensors: number;
  readonly buffers: number;
  readonly heapBytes: number;
  readonly residentMiB: number;
  readonly usedMiB: number;
}

function memory(): Memory {
  const { wasm } = tf.backend() as unknown as { wasm: { HEAPU8: Uint8Array } };
  const [tensors, buffers] = memoryCounts();
  collect();
  const { rss, heapUsed } = process.memoryUsage();
  const heapBytes = wasm.HEAPU8.length;
  return { tensors, buffers, heapBytes, residentMiB: rss / 2 ** 20, usedMiB: heapUsed / 2 ** 20 };
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
  expect(later.at(-1)!.usedMiB - first!.usedMiB).toBeLessThan(HEAP_TOLERANCE);
  expect(later.at(-1)!.residentMiB - first!.residentMiB).toBeLessThan(TOLERANCE);
});
