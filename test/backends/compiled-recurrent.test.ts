/** The compiled recurrent kernels give the bits of the loops of `core/`, whatever they get. */
import * as tf from "@tensorflow/tfjs";
import { beforeAll, describe, expect, it } from "vitest";
import { selectBackend } from "../../src/backends/select.ts";
import { expectSame, floats, type Input, type Inputs } from "../helpers/kernel-bits.ts";

beforeAll(async () => {
  await selectBackend("cpu");
  const { execution } = await selectBackend("wasm");
  expect(execution).toBe("compiled");
});

/** time, batch and units. */
const SIZES = [
  ...[
    [1, 1, 1],
    [2, 6, 1],
    [3, 2, 3],
    [4, 1, 5],
    [2, 3, 7],
    [3, 7, 20],
    [1, 0, 4],
  ],
  ...[
    [3, 11, 2],
    [2, 17, 70],
  ],
] as const;

/** Grids: in float, quantized, with 16-bit cells, some places in float. */
const BITS = ["0,0,0,0,0,0", "8,8,8,8,8,8", "4,5,6,7,16,8", "0,8,0,6,0,3", "16,16,16,16,16,0"];
const ROUNDINGS = ["half_even", "half_up"] as const;

/** Clips that bound few values or many; one counts as zero, and with special values one is NaN. */
function clipsOf(special: boolean, seed: number): Input {
  const clips = floats([6], seed, false);
  clips.values.forEach((c, place) => (clips.values[place] = 0.1 + 2 * Math.abs(c)));
  clips.values[seed % 6] = 0;
  if (special) clips.values[(seed + 3) % 6] = NaN;
  return clips;
}

describe.each([false, true])("compiled recurrent kernels, special values: %s", (special) => {
  it("sigmoid and hyperbolic tangent", () => {
    for (const size of [0, 1, 2, 3, 4, 5, 1003]) {
      const x = floats([size], 1, special, 4);
      expectSame("QatSigmoid", { x });
      expectSame("QatTanh", { x });
    }
  });

  it.each(BITS)("LSTM steps and sequences with their gradient, bits %s", (bits) => {
    SIZES.forEach(([time, batch, units], seed) => {
      const of = (shape: number[], at: number): Input => floats(shape, at, special);
      const clips = clipsOf(special, seed);
      const kernel = floats([units, 4 * units], 1, special, units ** -0.5);
      const [gates, bias] = [of([time, batch, 4 * units], 2), of([4 * units], 3)];
      const start = { hidden: of([batch, units], 4), cell: of([batch, units], 5) };
      const states = [6, 7, 8].map((at) => of([time, batch, units], at));
      const [dhidden, dcells, kept1] = states as [Input, Input, Input];
      const kept = { kept0: of([time, batch, units], 9), kept1, kept2: gates };
      for (const rounding of ROUNDINGS) {
        for (const first of [{}, start] as Inputs[]) {
          const attributes = { bits, rounding, compat: seed % 2 === 0 ? "none" : "neurst" };
          expectSame("QatLstmSequence", { gates, kernel, bias, clips, ...first }, attributes);
          const backward = { dhidden, kernel, clips, ...first, ...kept };
          expectSame("QatLstmSequenceGrad", backward, attributes);
          expectSame("QatLstmSequenceGrad", { ...backward, dcells }, attributes);
          const cell = "cell" in first ? { cell: start.cell } : {};
          const sums = of([batch, 4 * units], 2);
          expectSame("QatLstmCell", { sums, clips, ...cell }, attributes);
        }
      }
    });
  });

  it.each([null, 0, 0.2, 0.9, 3])("additive scores and their gradient, clip %s", (value) => {
    for (const [batch, time, sourceTime, units] of [
      ...[
        [1, 1, 1, 1],
        [2, 3, 4, 3],
        [3, 2, 5, 4],
        [0, 2, 3, 5],
        [2, 4, 3, 31],
      ],
    ] as const) {
      const queries = floats([batch, time, units], 1, special);
      const keys = floats([batch, sourceTime, units], 2, special);
      const [bias, weights] = [floats([units], 3, special), floats([units], 4, special)];
      const clip = value === null ? {} : { clip: { shape: [], values: Float32Array.of(value) } };
      const inputs = { queries, keys, bias, weights, ...clip };
      const dscores = floats([batch, time, sourceTime], 5, special);
      for (const rounding of ROUNDINGS) {
        for (const compat of ["none", "neurst"]) {
          const attributes = { bits: 6, rounding, compat };
          expectSame("QatAdditiveScores", inputs, attributes);
          expectSame("QatAdditiveScoresGrad", { dscores, ...inputs }, attributes);
        }
      }
    }
  });
});

it("sigmoid and hyperbolic tangent of many values", () => {
  const x = floats([1, 400_000], 1, false, 6);
  expectSame("QatSigmoid", { x });
  expectSame("QatTanh", { x });
});

describe.each(["cpu", "wasm"] as const)("what does not fit together on %s", (backend) => {
  const tensor = (...shape: number[]): tf.Tensor => tf.ones(shape);
  const attributes = { bits: "8,8,8,8,8,8", rounding: "half_even", compat: "none" };

  it.each([
    [
      "QatLstmSequence",
      { gates: [3, 2, 12] },
      "gates [time, batch, 4·units], received [4, 16] and",
    ],
    ["QatLstmSequence", { gates: [3, 2, 16], clips: null }, 'input "clips": expected a float32'],
    ["QatLstmSequenceGrad", { dhidden: [3, 2, 5] }, "dhidden [time, batch, 1·units], received [4,"],
    ["QatAdditiveScores", { queries: [2, 3, 5] }, "received [2, 3, 5] and [2, 6, 4]. Project both"],
    [
      "QatAdditiveScoresGrad",
      { keys: [1, 6, 4] },
      "received [2, 3, 4] and [1, 6, 4]. Project both",
    ],
  ] as const)("%s %j is an error that leaves nothing behind", (name, changed, message) => {
    void tf.setBackend(backend);
    const shapes: Record<string, readonly number[] | null> = {
      ...{ gates: [3, 2, 16], kernel: [4, 16], bias: [16], clips: [6], dhidden: [3, 2, 4] },
      ...{ kept0: [3, 2, 4], kept1: [3, 2, 4], kept2: [3, 2, 16], dscores: [2, 3, 6] },
      ...{ queries: [2, 3, 4], keys: [2, 6, 4], weights: [4] },
      ...changed,
    };
    const engine = tf.backend() as unknown as { numDataIds(): number };
    const before = engine.numDataIds();
    tf.tidy(() => {
      const given = Object.entries(shapes).filter(([, shape]) => shape !== null);
      const inputs = Object.fromEntries(given.map(([key, shape]) => [key, tensor(...shape!)]));
      expect(() => tf.engine().runKernel(name, inputs, attributes)).toThrow(message);
    });
    expect(engine.numDataIds()).toBe(before);
  });
});
