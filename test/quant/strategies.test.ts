import * as tf from "@tensorflow/tfjs";
import { beforeAll, describe, expect, it } from "vitest";
import { selectBackend } from "../../src/backends/select.ts";
import { resolveQuantConfig } from "../../src/quant/config.ts";
import { ClipQuantizer } from "../../src/quant/quantizers.ts";
import { QUANT_STRATEGIES } from "../../src/quant/strategies.ts";

beforeAll(() => selectBackend("cpu"));

const { penalty } = QUANT_STRATEGIES["min/max"];

function quantizerOf(clip: tf.Variable, clipL2: number): ClipQuantizer {
  const spec = {
    kind: "weight",
    bits: 8,
    axis: clip.rank === 0 ? null : 1,
    rounding: "half_even",
    compat: "none",
  } as const;
  return new ClipQuantizer({
    path: "p",
    spec,
    clip: {
      read: () => clip,
      write: (value) => {
        clip.assign(value);
      },
    },
    clipL2,
    isClipGiven: true,
  });
}

describe("the penalty of min/max", () => {
  it("is Σ λ·c² with gradients 2λ·c, of channels by their mean", () => {
    const scalars = [0.5, -1.5, 16].map((c) => tf.variable(tf.scalar(c)));
    const channels = tf.variable(tf.tensor1d([0.5, 1, 2, 4]));
    const quantizers = [
      ...scalars.map((clip) => quantizerOf(clip, 0.01)),
      quantizerOf(channels, 0.001),
    ];
    const { value, grads } = tf.variableGrads(() => penalty(quantizers));
    expect(value.shape).toEqual([]);
    const expected = 0.01 * (0.25 + 2.25 + 256) + (0.001 * (0.25 + 1 + 4 + 16)) / 4;
    expect(value.dataSync()[0]).toBeCloseTo(expected, 6);
    for (const clip of scalars) {
      expect(grads[clip.name]!.shape).toEqual([]);
      expect(grads[clip.name]!.dataSync()[0]).toBeCloseTo(2 * 0.01 * clip.dataSync()[0]!, 6);
    }
    const slopes = [...grads[channels.name]!.dataSync()];
    expect(slopes.map((slope) => slope * 2000)).toEqual(
      [0.5, 1, 2, 4].map((c) => expect.closeTo(c, 4) as number),
    );
    tf.dispose([value, ...Object.values(grads), ...scalars, channels]);
  });

  it("is 0 without clips", () => {
    const none = penalty([]);
    expect(none.dataSync()[0]).toBe(0);
    none.dispose();
  });

  it("takes one operation for each clip and a few for all, and leaves nothing behind", async () => {
    const clips = Array.from({ length: 50 }, (_, i) => tf.variable(tf.scalar(i)));
    const quantizers = clips.map((clip) => quantizerOf(clip, 0.01));
    const { kernels, newTensors } = await tf.profile(() => penalty(quantizers));
    expect(kernels.length).toBeLessThan(60);
    expect(newTensors).toBe(1);
    tf.dispose(clips);
  });
});

describe("the clips' learning rate", () => {
  it("is 0.002 unless given: the L2 terms alone then move a clip by 0.1 in 50 steps", () => {
    expect(resolveQuantConfig({}).clipLearningRate).toBe(0.002);
    expect(resolveQuantConfig({ quant_clip_lr: 0.05 }).clipLearningRate).toBe(0.05);
  });
});
