/** Every backend gives core's codes and values, whatever the values are. */
import * as tf from "@tensorflow/tfjs";
import { expect, it } from "vitest";
import { gridOf, type Grid } from "../../src/core/affine.ts";
import { SMALLEST_CLIP } from "../../src/core/qtype.ts";
import { channelLayout, fakeQuantArray, quantizeArray } from "../../src/core/quantize.ts";
import { RandomStream } from "../../src/core/random.ts";
import { fakeQuant, fakeQuantCodes, type FakeQuantSpec } from "../../src/ops/fake-quant.ts";
import { describeBackends } from "./backend-variants.ts";

const CHANNELS = 8;

/** Saturating, tiny, counting as zero, negative, huge, and ordinary ones. */
const CLIPS = Float32Array.of(0.7311, 2 ** -99.5, SMALLEST_CLIP, 0, -1, 3e30, 5.25, 1.9e-7);

const KINDS = ["weight", "act", "relu", "softmax"] as const;
const BITS = [2, 3, 4, 5, 6, 7, 8, 16];

/** Subnormal, largest, infinite and missing values among the others. */
const SPECIAL = [0, -0, 1e-45, -1e-45, 1e-39, -1e-39, 3.4e38, -3.4e38, Infinity, -Infinity, NaN];

/** Values in steps of a grid of t codes on each side: uniform, ties, and both sides of every end. */
function stepsOf(size: number, t: number, random: RandomStream): Float64Array {
  const ends = [
    -t - 0.5,
    -t,
    -t + 0.5,
    t - 1.5,
    t - 1,
    t - 0.5,
    2 * t - 1.5,
    2 * t - 1,
    2 * t - 0.5,
  ];
  return Float64Array.from({ length: size }, (_, i) => {
    const nudge = 1 + (random.integer(3) - 1) * 2 ** -23;
    if (i % 4 === 0) return (random.integer(5 * t) - 2.5 * t) * nudge;
    if (i % 4 === 1) return (random.integer(5 * t) - 2.5 * t + 0.5) * nudge;
    if (i % 64 === 2) return ends[random.integer(ends.length)]! * nudge;
    return (random.uniform() - 0.5) * 5 * t;
  });
}

function inputOf(steps: Float64Array, scaleOf: (i: number) => number): Float32Array {
  return Float32Array.from(steps, (step, i) =>
    i % 101 === 0 ? SPECIAL[(i / 101) % SPECIAL.length]! : step * scaleOf(i),
  );
}

/** Equal numbers; −0 is another one than 0. */
function expectSame(received: ArrayLike<number>, expected: ArrayLike<number>, what: string): void {
  for (let i = 0; i < expected.length; i++) {
    if (Object.is(received[i], expected[i])) continue;
    expect.fail(`${what}, element ${i}: expected ${expected[i]!}, received ${received[i]!}`);
  }
}

function withoutMinusZero(values: Float32Array): Float32Array {
  return values.map((v) => v + 0);
}

function check(x: Float32Array, clips: Float32Array | null, spec: FakeQuantSpec): void {
  const { kind, bits, rounding, axis } = spec;
  const grids = Array.from(clips ?? [1], (c): Grid => gridOf(kind, bits, c, rounding));
  const layout = channelLayout([x.length / CHANNELS, CHANNELS], axis);
  const codes = quantizeArray(x, new Float32Array(x.length), grids, layout);
  const values = fakeQuantArray(x, new Float32Array(x.length), grids, layout);
  const what = JSON.stringify(spec);
  tf.tidy(() => {
    const input = tf.tensor2d(x, [x.length / CHANNELS, CHANNELS]);
    const clip = clips === null ? null : axis === null ? tf.scalar(clips[0]!) : tf.tensor1d(clips);
    expectSame(fakeQuantCodes(input, clip, spec).dataSync(), codes, what);
    expectSame(fakeQuant(input, clip, spec).dataSync(), withoutMinusZero(values), what);
  });
}

/** Tests with `size` values, a multiple of the channels, for each kind, bit width, rounding and axis. */
export function describeCodes(size: number): void {
  describeBackends(`fake quantization of ${size} values`, () => {
    const cases = BITS.flatMap((bits) =>
      (["half_even", "half_up"] as const).map((r) => [bits, r] as const),
    );

    it.each(cases)("gives core's codes and values: %i bits, %s", (bits, rounding) => {
      const steps = stepsOf(size, 2 ** (bits - 1), new RandomStream({ seed: bits, stream: 0 }));
      for (const kind of KINDS) {
        const spec: FakeQuantSpec = { kind, bits, rounding, axis: null, compat: "none" };
        const clips = kind === "softmax" ? null : CLIPS.slice(0, 1);
        const { scale } = gridOf(kind, bits, CLIPS[0]!, rounding);
        check(
          inputOf(steps, () => scale),
          clips,
          spec,
        );
        if (kind === "softmax") continue;
        const scales = Array.from(CLIPS, (c) => gridOf(kind, bits, c, rounding).scale);
        const x = inputOf(steps, (i) => scales[i % CHANNELS]!);
        check(x, CLIPS, { ...spec, axis: 1 });
      }
    });
  });
}
