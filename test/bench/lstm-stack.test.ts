import * as tf from "@tensorflow/tfjs";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { readLstmData, writeLstmData } from "../../bench/lstm-data.ts";
import { LstmTrainer } from "../../bench/lstm-stack.ts";
import { selectBackend } from "../../src/backends/select.ts";

const SIZE = {
  ...{ layers: 2, width: 8, time: 3, batch: 4, batches: 2 },
  ...{ gatesClip: 4, hiddenClip: 1 },
};

describe("the LSTM stack", () => {
  const directory = mkdtempSync(join(tmpdir(), "tfjs-qat-test-"));
  beforeAll(async () => {
    await selectBackend("wasm");
    writeLstmData(SIZE, directory);
    return () => {
      rmSync(directory, { recursive: true });
    };
  });

  it.each([false, true])("learns, with fake quantization: %s", async (isQuantized) => {
    const tensors = tf.memory().numTensors;
    const trainer = new LstmTrainer(readLstmData(directory), isQuantized);
    const before = await trainer.step(0);
    for (let i = 0; i < 200; i++) await trainer.step(0);
    expect(await trainer.step(0)).toBeLessThan(before);
    trainer.dispose();
    expect(tf.memory().numTensors).toBe(tensors);
  });

  it("has the loss of an LSTM written out in numbers", async () => {
    const data = readLstmData(directory);
    const trainer = new LstmTrainer(data, false);
    const outputs = data.kernels.reduce<number[][]>(
      (inputs, kernel, i) => plainLayer(inputs, kernel, data.recurrent[i]!),
      chunks(data.inputs[1]!, SIZE.width),
    );
    const differences = outputs.flat().map((value, i) => value - data.targets[1]![i]!);
    const expected = differences.reduce((sum, d) => sum + d * d, 0) / differences.length;
    expect(Math.abs((await trainer.step(1)) - expected)).toBeLessThan(1e-6);
    trainer.dispose();
  });
});

/** @param inputs a row for each time and sequence; so are the outputs */
function plainLayer(inputs: number[][], kernel: Float32Array, recurrent: Float32Array): number[][] {
  const { width, batch } = SIZE;
  const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x));
  const outputs: number[][] = [];
  const cells: number[][] = [];
  inputs.forEach((x, row) => {
    const hidden = outputs[row - batch] ?? x.map(() => 0);
    const cell = cells[row - batch] ?? x.map(() => 0);
    const gate = (at: number): number =>
      x.reduce((sum, value, k) => {
        const place = k * 4 * width + at;
        return sum + value * kernel[place]! + hidden[k]! * recurrent[place]!;
      }, 0);
    const next = cell.map((value, unit) => {
      const [i, f, g] = [0, 1, 2].map((part) => gate(part * width + unit)) as [
        ...[number, number, number],
      ];
      return sigmoid(f) * value + sigmoid(i) * Math.tanh(g);
    });
    cells.push(next);
    outputs.push(next.map((value, unit) => sigmoid(gate(3 * width + unit)) * Math.tanh(value)));
  });
  return outputs;
}

function chunks(values: Float32Array, size: number): number[][] {
  return Array.from({ length: values.length / size }, (_, i) => [
    ...values.subarray(i * size, (i + 1) * size),
  ]);
}
