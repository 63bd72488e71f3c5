/** Native kernels of recurrent layers against the compositions that they stand for. */
import * as tf from "@tensorflow/tfjs";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { selectBackend } from "../../src/backends/select.ts";
import { captureStep } from "../../src/graph/captured-step.ts";
import { additiveScores } from "../../src/ops/additive-scores.ts";
import type { FakeQuantSpec } from "../../src/ops/fake-quant.ts";
import type { KernelName } from "../../src/ops/kernel.ts";
import { lstmCell } from "../../src/ops/lstm-cell.ts";
import { type LstmGrids, lstmSequence } from "../../src/ops/lstm-sequence.ts";
import { expectFlatMemory } from "../helpers/backend-variants.ts";
import { hasNative } from "../helpers/native.ts";
import { expectClose, normals, normalTensor } from "../helpers/numeric.ts";

const NAMES = ["QatLstmSequence", "QatLstmCell", "QatAdditiveScores"] as const;
/** Rounding errors of sums of at most 100 terms, see `Agreement`. */
const CLOSE = 1e-5;

/** What runs without the kernels. */
function composed<T>(use: () => T): T {
  const kernels = NAMES.map((name: KernelName) => tf.getKernel(name, "tensorflow"));
  for (const { kernelName } of kernels) tf.unregisterKernel(kernelName, "tensorflow");
  try {
    return use();
  } finally {
    kernels.forEach(tf.registerKernel);
  }
}

interface LstmCase {
  readonly units: number;
  readonly time?: number;
  readonly bits?: readonly number[];
  readonly clips?: readonly number[];
  readonly rounding?: LstmGrids["rounding"];
  readonly compat?: LstmGrids["compat"];
  /** Whether there are states before the first step; whether cells are results. */
  readonly start?: boolean;
  readonly cells?: boolean;
}

const FLOAT = [0, 0, 0, 0, 0, 0];
const ALL = [8, 8, 8, 8, 16, 8];
// Clips that some values exceed, of scales that no value but 0 is a tie of.
const CLIPS = [1.13, 0.97, 1.31, 0.83, 0.61, 0.23];
const LSTM_CASES: readonly LstmCase[] = [
  { units: 1 },
  { units: 5, start: true, cells: true },
  { units: 20, cells: true },
  { units: 5, time: 1, start: true, bits: ALL },
  { units: 1, bits: ALL, start: true, cells: true },
  { units: 5, bits: ALL },
  { units: 20, bits: ALL, start: true },
  { units: 5, bits: [4, 4, 4, 4, 0, 0], cells: true },
  { units: 5, bits: [8, 0, 4, 8, 0, 6], start: true },
  { units: 5, bits: [0, 8, 0, 0, 16, 0], cells: true },
  { units: 20, bits: ALL, rounding: "half_up", start: true },
  { units: 5, bits: [5, 8, 4, 8, 16, 8], rounding: "half_up" },
  { units: 5, bits: ALL, compat: "neurst" },
  { units: 5, bits: ALL, clips: [0, 0.97, 1.31, 0, 0.61, 0.23], start: true },
  { units: 5, bits: ALL, clips: [1, 0, 1.31, 0.5, 0, 0.23], cells: true },
  { units: 5, bits: ALL, clips: [0, 0.97, 0, 0.83, 0.61, 0], compat: "neurst", start: true },
];

function lstmInputs({ units, time = 4, clips = CLIPS, start = false }: LstmCase): tf.Tensor[] {
  const batch = 3;
  return [
    normalTensor<tf.Rank.R3>([time, batch, 4 * units], 1),
    normalTensor<tf.Rank.R2>([units, 4 * units], 2, units ** -0.5),
    normalTensor<tf.Rank.R1>([4 * units], 3, 0.3),
    tf.tensor1d([...clips]),
    ...(start ? [4, 5].map((seed) => normalTensor<tf.Rank.R2>([batch, units], seed, 0.3)) : []),
  ];
}

function lstmOf(
  { bits = FLOAT, rounding = "half_even", compat = "none", cells = false }: LstmCase,
  inputs: readonly tf.Tensor[],
): tf.Tensor {
  const [gates, kernel, bias, clips, hidden = null, cell = null] = inputs;
  const given = { gates, kernel, bias, clips, hidden, cell };
  const grids: LstmGrids = { bits, rounding, compat };
  const states = lstmSequence(given as Parameters<typeof lstmSequence>[0], grids, cells);
  return cells ? tf.concat([states.hidden, states.cells!], 2) : states.hidden;
}

/** An LSTM as a function of what reaches its result: not of clips where all is in float. */
function differentiable(
  given: LstmCase,
): [f: (...inputs: tf.Tensor[]) => tf.Tensor, inputs: tf.Tensor[]] {
  const inputs = lstmInputs(given);
  if (given.bits !== undefined) return [(...all) => lstmOf(given, all), inputs];
  const [clips] = inputs.splice(3, 1);
  return [(...others) => lstmOf(given, others.toSpliced(3, 0, clips!)), inputs];
}

/** The result, and the gradients of its sum with fixed weights. */
function resultAndGradients(
  f: (...inputs: tf.Tensor[]) => tf.Tensor,
  inputs: tf.Tensor[],
): tf.Tensor[] {
  const { value, grads } = tf.valueAndGrads((...given) => {
    const y = f(...given);
    const weights = tf.tensor(normals(y.size, 9), y.shape);
    return tf.sum(tf.mul(y, weights));
  })(inputs);
  return [f(...inputs), value, ...grads];
}

function expectAllClose(received: tf.Tensor[], expected: tf.Tensor[]): void {
  expect(received.length).toBe(expected.length);
  received.forEach((tensor, i) => {
    expectClose(tensor.dataSync(), expected[i]!.dataSync(), CLOSE);
  });
}

/** The same by kernels as by compositions. */
function expectAgreement(f: (...inputs: tf.Tensor[]) => tf.Tensor, inputs: tf.Tensor[]): void {
  const expected = composed(() => resultAndGradients(f, inputs));
  expectAllClose(resultAndGradients(f, inputs), expected);
}

/** The same by kernels in a graph as by kernels one by one. */
function expectCapture(f: (...inputs: tf.Tensor[]) => tf.Tensor, inputs: tf.Tensor[]): void {
  const step = captureStep((...given: tf.Tensor[]) => resultAndGradients(f, given));
  expectAllClose(step.run(...inputs), resultAndGradients(f, inputs));
  expect(step.report).toMatchObject({ replayed: 1, fallback: null });
  step.dispose();
}

describe.runIf(hasNative)("native kernels of recurrent layers", () => {
  beforeAll(async () => {
    await selectBackend("native");
  });
  beforeAll(() => {
    tf.engine().startScope();
  });
  afterEach(() => {
    tf.engine().endScope();
    tf.engine().startScope();
  });

  it.each(LSTM_CASES)("an LSTM: %j", (given) => {
    expectAgreement(...differentiable(given));
  });

  it.each(LSTM_CASES.filter(({ units }) => units === 20))("an LSTM in a graph: %j", (given) => {
    expectCapture(...differentiable(given));
  });

  it("one step without a state before it: the kernel receives nothing", () => {
    const given: LstmCase = { units: 5, time: 1, bits: ALL };
    const [gates, kernel, bias, clips] = lstmInputs(given) as [tf.Tensor, ...tf.Tensor[]];
    const without = (...reached: tf.Tensor[]): tf.Tensor => {
      const [g, b, c] = reached as [tf.Tensor, tf.Tensor, tf.Tensor];
      return lstmOf(given, [g, kernel!, b, c]);
    };
    expectAgreement(without, [gates, bias!, clips!]);
    const all = resultAndGradients((...inputs) => lstmOf(given, inputs), lstmInputs(given));
    expect(Array.from(all[3]!.dataSync())).toEqual(new Array(100).fill(0));
  });

  it("an LSTM's quantizers are at work in these cases", () => {
    const given: LstmCase = { units: 20, bits: ALL, start: true };
    const results = resultAndGradients((...inputs) => lstmOf(given, inputs), lstmInputs(given));
    const dclips = Array.from(results[5]!.dataSync());
    expect(dclips).toHaveLength(6);
    expect(dclips.every((d) => Math.abs(d) > 0.01)).toBe(true);
  });

  it("an LSTM leaves nothing behind", () => {
    const given: LstmCase = { units: 5, bits: ALL, start: true, cells: true };
    const inputs = lstmInputs(given);
    expectFlatMemory(() => {
      tf.tidy(() => void resultAndGradients((...xs) => lstmOf(given, xs), inputs));
    });
  });

  it.each([FLOAT, ALL, [8, 4, 8, 8, 16, 0]])("one step, bits %j", (...bits) => {
    const sums = normalTensor<tf.Rank.R2>([7, 20], 1);
    const cell = normalTensor<tf.Rank.R2>([7, 5], 2);
    const clips = tf.tensor1d([...CLIPS]);
    for (const rounding of ["half_even", "half_up"] as const) {
      for (const before of [cell, null]) {
        const grids: LstmGrids = { bits, rounding, compat: "none" };
        const run = (): tf.Tensor2D[] =>
          Object.values(lstmCell({ sums, cell: before, clips }, grids));
        const expected = composed(run);
        run().forEach((states, i) => {
          expectClose(states.dataSync(), expected[i]!.dataSync(), CLOSE);
        });
      }
    }
  });

  const specs: readonly { clip: number | null; spec: Partial<FakeQuantSpec> }[] = [
    { clip: null, spec: {} },
    { clip: 0.71, spec: {} },
    { clip: 0.71, spec: { rounding: "half_up" } },
    { clip: 0.71, spec: { bits: 4, compat: "neurst" } },
    { clip: 0, spec: {} },
    { clip: 0, spec: { compat: "neurst" } },
  ];
  it.each(specs)("scores of additive attention: %j", ({ clip, spec }) => {
    const inputs: tf.Tensor[] = [
      ...[normalTensor<tf.Rank.R3>([2, 3, 9], 1), normalTensor<tf.Rank.R3>([2, 4, 9], 2)],
      ...[normalTensor<tf.Rank.R1>([9], 3), normalTensor<tf.Rank.R1>([9], 4)],
      ...(clip === null ? [] : [tf.scalar(clip)]),
    ];
    const whole: FakeQuantSpec = {
      ...{ kind: "act", bits: 8, axis: null, rounding: "half_even", compat: "none" },
      ...spec,
    };
    const scores = (...given: tf.Tensor[]): tf.Tensor => {
      const [queries, keys, bias, weights, c = null] = given;
      const all = { queries, keys, bias, weights, clip: c };
      return additiveScores(all as Parameters<typeof additiveScores>[0], whole);
    };
    expectAgreement(scores, inputs);
    if (clip !== 0) expectCapture(scores, inputs);
    expectFlatMemory(() => {
      tf.tidy(() => void resultAndGradients(scores, inputs));
    });
  });
});
