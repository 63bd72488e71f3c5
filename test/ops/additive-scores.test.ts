import * as tf from "@tensorflow/tfjs";
import { describe, expect, it } from "vitest";
import { additiveScores as coreScores } from "../../src/core/additive-scores.ts";
import { gridOf } from "../../src/core/affine.ts";
import { additiveScores, type AdditiveScoresInputs } from "../../src/ops/additive-scores.ts";
import { fakeQuant, type FakeQuantSpec } from "../../src/ops/fake-quant.ts";
import { tanh } from "../../src/ops/gate-activations.ts";
import { describeVariants, expectFlatMemory } from "../helpers/backend-variants.ts";
import { expectClose, normals, normalTensor } from "../helpers/numeric.ts";
import {
  plainScores,
  type PlainScoresInputs,
  type PlainScoresSize,
} from "../helpers/plain-scores.ts";
import { differencesOf, StraightThrough } from "../helpers/straight-through.ts";

interface ScoresCase extends PlainScoresSize {
  readonly of: string;
  /** Null: in float. */
  readonly clip: number | null;
  readonly rounding: FakeQuantSpec["rounding"];
}

const EVEN = { rounding: "half_even" } as const;
const CASES: readonly ScoresCase[] = [
  { of: "one of each", batch: 1, time: 1, sourceTime: 1, units: 1, clip: 1, ...EVEN },
  { of: "float", batch: 2, time: 3, sourceTime: 4, units: 3, clip: null, ...EVEN },
  { of: "8 bits", batch: 2, time: 2, sourceTime: 3, units: 5, clip: 1, ...EVEN },
  { of: "clipped", batch: 3, time: 2, sourceTime: 2, units: 7, clip: 0.5, ...EVEN },
  { of: "half up", batch: 2, time: 3, sourceTime: 2, units: 5, clip: 0.6, rounding: "half_up" },
  { of: "20 units", batch: 1, time: 2, sourceTime: 5, units: 20, clip: 0.9, ...EVEN },
];

/** See test/helpers/lstm-cases.ts. */
const LEAST_FROM_TIE = 0.002;

function valuesFor(scores: ScoresCase): PlainScoresInputs {
  for (let seed = 1; seed < 200; seed++) {
    const { batch, time, sourceTime, units, clip } = scores;
    const normal = (size: number, stream: number): Float64Array =>
      Float64Array.from(normals(size, 10 * seed + stream, 0.6));
    const values = {
      queries: normal(batch * time * units, 1),
      keys: normal(batch * sourceTime * units, 2),
      bias: normal(units, 3),
      weights: normal(units, 4),
      clip: clip === null ? null : Float64Array.of(Math.fround(clip)),
    };
    const rule = new StraightThrough(scores.rounding);
    plainScores(values, scores, 8, rule.record());
    if (rule.closestTie >= LEAST_FROM_TIE) return values;
  }
  throw new Error(`no seed without ties for ${scores.of}`);
}

function tensorsOf(values: PlainScoresInputs, size: PlainScoresSize): AdditiveScoresInputs {
  const { batch, time, sourceTime, units } = size;
  const f32 = (x: Float64Array): Float32Array => Float32Array.from(x);
  return {
    queries: tf.tensor3d(f32(values.queries), [batch, time, units]),
    keys: tf.tensor3d(f32(values.keys), [batch, sourceTime, units]),
    bias: tf.tensor1d(f32(values.bias)),
    weights: tf.tensor1d(f32(values.weights)),
    clip: values.clip === null ? null : tf.scalar(values.clip[0]!),
  };
}

const specOf = ({ rounding }: ScoresCase, compat: FakeQuantSpec["compat"] = "none") =>
  ({ kind: "act", bits: 8, axis: null, rounding, compat }) as const;

/** The formula in operations whose gradients are known. */
function modular(inputs: AdditiveScoresInputs, spec: FakeQuantSpec): tf.Tensor3D {
  const { queries, keys, bias, weights, clip } = inputs;
  const y = tanh(tf.add(tf.add(tf.expandDims(queries, 2), tf.expandDims(keys, 1)), bias));
  const rounded = clip === null ? y : fakeQuant(y, clip, spec);
  return tf.sum(tf.mul(rounded, weights), 3);
}

type Scores = (inputs: AdditiveScoresInputs, spec: FakeQuantSpec) => tf.Tensor3D;

/** Gradients of Σ weights·scores by name. */
function gradientsOf(
  scores: Scores,
  of: ScoresCase,
  values: PlainScoresInputs,
  spec: FakeQuantSpec,
): Record<string, Float32Array> {
  return tf.tidy(() => {
    const inputs = tensorsOf(values, of);
    const names = Object.keys(inputs) as (keyof AdditiveScoresInputs)[];
    const given = names.filter((name) => inputs[name] !== null);
    const gradients = tf.grads((...tensors: tf.Tensor[]) => {
      const named = Object.fromEntries(given.map((name, i) => [name, tensors[i]]));
      const y = scores({ ...inputs, ...named }, spec);
      return tf.sum(tf.mul(y, normalTensor(y.shape, 91)));
    })(given.map((name) => inputs[name]!));
    return Object.fromEntries(given.map((name, i) => [name, gradients[i]!.dataSync<"float32">()]));
  });
}

function differences(of: ScoresCase, values: PlainScoresInputs): Record<string, Float64Array> {
  const rule = new StraightThrough(of.rounding);
  plainScores(values, of, 8, rule.record());
  const weights = normals(of.batch * of.time * of.sourceTime, 91);
  const loss = (): number =>
    plainScores(values, of, 8, rule.replay()).reduce((sum, y, i) => sum + y * weights[i]!, 0);
  const given = Object.entries(values).filter(([, x]) => x !== null) as [string, Float64Array][];
  return Object.fromEntries(given.map(([name, x]) => [name, differencesOf(loss, x)]));
}

describeVariants("additiveScores", ({ sums }) => {
  describe.each(CASES)("$of: [$batch, $time, $sourceTime, $units]", (of) => {
    const values = valuesFor(of);

    it("gives the scores of core and of the formula", () => {
      const received = tf.tidy(() => additiveScores(tensorsOf(values, of), specOf(of)).dataSync());
      const f32 = (x: Float64Array): Float32Array => Float32Array.from(x);
      const [queries, keys] = [f32(values.queries), f32(values.keys)];
      const [bias, weights] = [f32(values.bias), f32(values.weights)];
      const grid = of.clip === null ? null : gridOf("act", 8, of.clip, of.rounding);
      const core = new Float32Array(received.length);
      coreScores({ queries, keys, bias, weights, grid }, of, core);
      if (sums === "exact") expect([...received]).toEqual([...core]);
      else expectClose(received, core, 1e-5);
      const rule = new StraightThrough(of.rounding);
      expectClose(received, plainScores(values, of, 8, rule.record()), 1e-5);
    });

    it("has the gradients of its parts and of finite differences", () => {
      const own = gradientsOf(additiveScores, of, values, specOf(of));
      const parts = gradientsOf(modular, of, values, specOf(of));
      for (const [name, gradient] of Object.entries(parts)) expectClose(own[name]!, gradient, 1e-5);
      for (const [name, gradient] of Object.entries(differences(of, values))) {
        expectClose(own[name]!, gradient, 2e-5);
      }
    });
  });

  it.each(["none", "neurst"] as const)("follows the rule for a clip at zero: %s", (compat) => {
    const of = { ...CASES.find((scores) => scores.of === "clipped")!, clip: 0 };
    const values = valuesFor(of);
    const own = gradientsOf(additiveScores, of, values, specOf(of, compat));
    const parts = gradientsOf(modular, of, values, specOf(of, compat));
    for (const [name, gradient] of Object.entries(parts)) expectClose(own[name]!, gradient, 1e-5);
  });

  it("leaves nothing behind", () => {
    const of = CASES.find((scores) => scores.of === "clipped")!;
    const inputs = tensorsOf(valuesFor(of), of);
    expectFlatMemory(() => {
      tf.tidy(
        () =>
          void tf.grad((queries) =>
            tf.sum(additiveScores({ ...inputs, queries: queries as tf.Tensor3D }, specOf(of))),
          )(inputs.queries),
      );
    });
  });
});
