/** Calibration takes memory for the model, not for the text. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import * as tf from "@tensorflow/tfjs";
import { beforeAll, expect, it } from "vitest";
import { selectBackend } from "../../src/backends/select.ts";
import { HISTOGRAM_CELLS } from "../../src/core/histogram.ts";
import { makeBatch } from "../../src/data/make-batch.ts";
import { batchTensors, sequenceLoss } from "../../src/models/loss.ts";
import { shortPath } from "../../src/models/layer-paths.ts";
import { watchModel } from "../../src/models/watched-model.ts";
import { withPass } from "../../src/quant/pass.ts";
import { StatisticsCollector } from "../../src/quant/statistics-collector.ts";
import { makeTinyGnmt } from "../helpers/tiny-gnmt.ts";
import { TINY_SPECIAL, tinySentences } from "../helpers/tiny-transformer.ts";

const [FEW, MANY] = [10, 1000];
const BATCH = 4;
/** Growth of what JavaScript holds after a collection: compiled code, MiB. */
const HEAP_TOLERANCE = 2;

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

const IDS = { start: TINY_SPECIAL.bos, eos: TINY_SPECIAL.eos };
const examples = tinySentences(4 * BATCH, 5)
  .map((ids) => ids.slice(0, 2))
  .map((source, i, all) => ({
    source,
    target: all.at(-1 - i)!,
  }));

function memory(collector: StatisticsCollector) {
  const { numTensors, numBytes } = tf.memory();
  const { wasm } = tf.backend() as unknown as { wasm: { HEAPU8: Uint8Array } };
  const states = collector.state();
  const numbers = states.map(({ state }) => state.moments.length + state.counts.length);
  return {
    ...{ numTensors, numBytes, heapBytes: wasm.HEAPU8.length, records: states.length },
    cells: states.every(({ state }) => state.counts.length === HISTOGRAM_CELLS),
    numbers: numbers.reduce((sum, n) => sum + n, 0),
  };
}

function usedMiB(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed / 2 ** 20;
}

beforeAll(() => selectBackend("wasm"));

it(`holds as much after ${MANY} batches as after ${FEW}`, () => {
  const model = makeTinyGnmt({ hidden_size: 4, num_layers: 2 }, null);
  const collector = new StatisticsCollector(shortPath);
  const watched = watchModel(model, collector, { targetPadding: TINY_SPECIAL.eos });
  const run = (from: number, to: number): void => {
    for (let i = from; i < to; i++) {
      const indices = Int32Array.from(
        { length: BATCH },
        (_, k) => (BATCH * i + k) % examples.length,
      );
      tf.tidy(() => {
        const tensors = batchTensors(makeBatch(examples, indices, IDS));
        withPass({}, (pass) => {
          sequenceLoss(watched, tensors, { per: "token", labelSmoothing: 0 }, pass);
        });
      });
    }
  };
  run(0, FEW);
  const few = memory(collector);
  expect(few.cells).toBe(true);
  expect(few.records).toBeGreaterThan(50);
  const seen = (): number => [...collector.statistics().values()][0]!.output!.totalNumel!;
  const seenBefore = seen();
  // Engines compile functions for some time.
  run(FEW, 10 * FEW);
  const usedBefore = usedMiB();
  run(10 * FEW, MANY);
  expect(usedMiB() - usedBefore).toBeLessThan(HEAP_TOLERANCE);
  expect(memory(collector)).toEqual(few);
  expect(seen()).toBeGreaterThan((MANY / FEW / 2) * seenBefore);
  model.dispose();
});
