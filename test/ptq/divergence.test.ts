import * as tf from "@tensorflow/tfjs";
import { beforeAll, describe, expect, it } from "vitest";
import { selectBackend } from "../../src/backends/select.ts";
import type { Batch } from "../../src/data/batch.ts";
import { makeBatch } from "../../src/data/make-batch.ts";
import { batchTensors } from "../../src/models/loss.ts";
import type { Seq2SeqModel } from "../../src/models/model.ts";
import { DivergenceProbe } from "../../src/ptq/divergence.ts";
import { withPass } from "../../src/quant/pass.ts";
import { makeTinyGnmt } from "../helpers/tiny-gnmt.ts";

const pair = (source: number[], target: number[]) => ({
  source: Int32Array.from(source),
  target: Int32Array.from(target),
});
const pairs = [pair([5, 6, 7, 2], [4, 9, 2]), pair([8, 2], [3, 4, 5, 6, 2]), pair([4, 4, 2], [2])];

function batchOf(chosen: readonly number[]): Batch {
  const ids = { start: 1, eos: 2 };
  return makeBatch(pairs, Int32Array.from(chosen), ids);
}

/** Probabilities of each real target token, by the definition of the softmax, in float64. */
function distributions(model: Seq2SeqModel, example: number): number[][] {
  return tf.tidy(() => {
    const { source, sourceLengths, targetInput } = batchTensors(batchOf([example]));
    const rows = withPass({ products: "codes" }, (pass) =>
      model.logits(source, sourceLengths, targetInput, pass).arraySync(),
    );
    return rows.map((row) => {
      const powers = row.map((logit) => Math.exp(logit - Math.max(...row)));
      const total = powers.reduce((a, b) => a + b, 0);
      return powers.map((power) => power / total);
    });
  });
}

describe("DivergenceProbe", () => {
  beforeAll(async () => {
    await selectBackend("cpu");
  });

  it("is the mean Kullback-Leibler divergence over real tokens, padding left out", async () => {
    const [float, quantized] = [makeTinyGnmt({}, null), makeTinyGnmt({}, { quant_bits: 4 })];
    let [sum, tokens] = [0, 0];
    for (const example of pairs.keys()) {
      const [p, q] = [distributions(float, example), distributions(quantized, example)];
      p.forEach((row, at) => {
        tokens++;
        row.forEach((x, token) => (sum += x * Math.log(x / q[at]![token]!)));
      });
    }
    expect(tokens).toBe(9);
    const probe = new DivergenceProbe(float, [batchOf([0, 1, 2])]);
    expect(await probe.of(quantized)).toBeCloseTo(sum / tokens, 5);
    expect(sum / tokens).toBeGreaterThan(0.001);
    expect(await probe.of(float)).toBeCloseTo(0, 6);
    probe.dispose();
    for (const model of [float, quantized]) model.dispose();
  });

  it("frees what it holds", async () => {
    const float = makeTinyGnmt({}, null);
    const before = tf.memory().numTensors;
    const probe = new DivergenceProbe(float, [batchOf([0, 1]), batchOf([2])]);
    await probe.of(float);
    const held = tf.memory().numTensors;
    await probe.of(float);
    expect(tf.memory().numTensors).toBe(held);
    probe.dispose();
    expect(tf.memory().numTensors).toBe(before);
    float.dispose();
  });
});
