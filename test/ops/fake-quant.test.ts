import * as tf from "@tensorflow/tfjs";
import { describe, expect, it } from "vitest";
import { codeOf, gridOf, valueOf, type Grid } from "../../src/core/affine.ts";
import {
  fakeQuant,
  fakeQuantCodes,
  gridScale,
  type FakeQuantSpec,
} from "../../src/ops/fake-quant.ts";
import { describeVariants, expectFlatMemory } from "../helpers/backend-variants.ts";
import { expectClose, gradientsOf, normals } from "../helpers/numeric.ts";

const SPECS: FakeQuantSpec[] = [2, 3, 4, 8, 16].flatMap((bits) =>
  (["weight", "act", "relu", "softmax"] as const).flatMap((kind) =>
    (["half_even", "half_up"] as const).map((rounding) => ({
      kind,
      bits,
      axis: null,
      rounding,
      compat: "none" as const,
    })),
  ),
);

/** Random values, and every place where rounding or saturation decides. */
function trickyValues(grid: Grid, seed: number): Float32Array {
  const { scale, lowest, highest, qmin, qmax } = grid;
  const ties = [-3.5, -2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 3.5, qmin - 0.5, qmax + 0.5, qmax - 0.5];
  const around = (v: number): number[] => [v, v * (1 + 2 ** -23), v * (1 - 2 ** -23)];
  return Float32Array.from([
    ...ties.flatMap((tie) => around(Math.fround(tie * scale))),
    ...around(lowest),
    ...around(highest),
    ...[0, -0, Infinity, -Infinity, NaN, 1e-45, -1e-45, 1e-40, 3e38, -3e38],
    ...normals(300, seed, Math.max(highest, 1e-3)),
  ]);
}

describeVariants("fakeQuant", () => {
  it.each([1, 0.3, 16, 1e-20, 2 ** -100, 2 ** -101, 0, -1, 3e30])(
    "gives core's code and value for every input at clip %f",
    (clip) => {
      SPECS.forEach((spec, i) => {
        const grid = gridOf(spec.kind, spec.bits, Math.fround(clip), spec.rounding);
        const x = trickyValues(grid, i + 1);
        const codes = Array.from(x, (v) => codeOf(v, grid));
        const values = codes.map((code) => valueOf(code, grid));
        tf.tidy(() => {
          const clipTensor = spec.kind === "softmax" ? null : tf.scalar(clip);
          const where = JSON.stringify(spec);
          const input = tf.tensor1d(x);
          expect([...fakeQuantCodes(input, clipTensor, spec).dataSync()], where).toEqual(codes);
          expect([...fakeQuant(input, clipTensor, spec).dataSync()], where).toEqual(
            values.map((v) => (v === 0 ? 0 : v)),
          );
          expect(gridScale(clipTensor, spec).dataSync()[0], where).toBe(grid.scale);
        });
      });
    },
  );

  it.each([0, 1, 2])("takes one clip for each channel along axis %i", (axis) => {
    const shape: [number, number, number] = [5, 3, 7];
    const clips = normals(shape[axis]!, 9, 2).map((c, i) => (i === 1 ? 0 : c));
    const x = normals(105, 10, 1.5);
    for (const rounding of ["half_even", "half_up"] as const) {
      const spec: FakeQuantSpec = { kind: "weight", bits: 4, axis, rounding, compat: "none" };
      const strides = [21, 7, 1];
      const expected = Array.from(x, (v, i) => {
        const channel = Math.floor(i / strides[axis]!) % shape[axis]!;
        return codeOf(v, gridOf("weight", 4, clips[channel]!, rounding));
      });
      tf.tidy(() => {
        const clip = tf.tensor1d(clips);
        const codes = fakeQuantCodes(tf.tensor3d(x, shape), clip, spec);
        expect([...codes.dataSync()]).toEqual(expected);
        expect([...gridScale(clip, spec).dataSync()]).toEqual(
          Array.from(clips, (c) => gridOf("weight", 4, c, rounding).scale),
        );
      });
    }
  });

  it("lets NaN clips show as NaN everywhere", () => {
    const spec = SPECS.find(({ kind, bits }) => kind === "act" && bits === 8)!;
    tf.tidy(() => {
      const y = fakeQuant(tf.tensor1d([-1, 0, 2]), tf.scalar(NaN), spec);
      expect([...y.dataSync()]).toEqual([NaN, NaN, NaN]);
    });
  });

  describe("gradient", () => {
    const weights = tf.tidy(() => normals(105, 21));
    const x = normals(105, 20, 1.5);

    it.each(["none", "neurst"] as const)(
      "passes straight through inside the range, compat %s",
      (compat) => {
        for (const spec of SPECS.filter(({ kind }) => kind !== "softmax")) {
          for (const clip of [1, 0.25, 0, -0.5]) {
            const grid = gridOf(spec.kind, spec.bits, clip, spec.rounding);
            const { lowest, highest, isZero } = grid;
            const keepsAll = isZero && compat === "neurst";
            const expected = Array.from(x, (v, i) =>
              keepsAll || (v >= lowest && v <= highest) ? weights[i]! : 0,
            );
            const half = 2 ** (spec.bits - 1);
            const ratio = grid.qmin === 0 ? 0 : half / (half - 1);
            const dclip = x.reduce((sum, v, i) => {
              if (keepsAll) return 0;
              return sum + (v > highest ? weights[i]! : v < lowest ? -ratio * weights[i]! : 0);
            }, 0);
            const [dx, dc] = gradientsOf(
              (a, c) => tf.sum(tf.mul(fakeQuant(a, c, { ...spec, compat }), tf.tensor1d(weights))),
              [tf.tensor1d(x), tf.scalar(clip)],
            );
            expect([...dx!]).toEqual(expected);
            expectClose(dc!, [dclip], 1e-5);
          }
        }
      },
    );

    it("sums the clip's share over each channel", () => {
      for (const axis of [0, 2]) {
        const spec: FakeQuantSpec = {
          kind: "weight",
          bits: 8,
          axis,
          rounding: "half_even",
          compat: "none",
        };
        const shape: [number, number, number] = [5, 3, 7];
        const strides = [21, 7, 1];
        const clips = normals(shape[axis]!, 5).map(Math.abs);
        const expected = new Float64Array(shape[axis]!);
        x.forEach((v, i) => {
          const channel = Math.floor(i / strides[axis]!) % shape[axis]!;
          const { lowest, highest } = gridOf("weight", 8, clips[channel]!, "half_even");
          if (v > highest) expected[channel]! += weights[i]!;
          if (v < lowest) expected[channel]! -= (128 / 127) * weights[i]!;
        });
        const [, dc] = gradientsOf(
          (a, c) => tf.sum(tf.mul(fakeQuant(a, c, spec), tf.tensor3d(weights, shape))),
          [tf.tensor3d(x, shape), tf.tensor1d(clips)],
        );
        expectClose(dc!, expected, 1e-5);
      }
    });

    it("of the clip is what saturated values show by finite differences", () => {
      const spec = SPECS.find(({ kind, bits }) => kind === "weight" && bits === 8)!;
      const f = (c: tf.Tensor): tf.Tensor =>
        tf.sum(tf.mul(fakeQuant(tf.tensor1d([-5, 5, 7]), c, spec), tf.tensor1d([2, 3, -1])));
      const [dc] = gradientsOf((c) => f(c), [tf.scalar(1)]);
      const difference =
        (tf.tidy(() => f(tf.scalar(1.25)).dataSync()[0]!) -
          tf.tidy(() => f(tf.scalar(0.75)).dataSync()[0]!)) /
        0.5;
      expectClose(dc!, [difference], 1e-4);
    });

    it("reaches x alone for the softmax kind", () => {
      const spec = SPECS.find(({ kind, bits }) => kind === "softmax" && bits === 8)!;
      const [dx] = gradientsOf(
        (a) => tf.sum(fakeQuant(a, null, spec)),
        [tf.tensor1d([-0.1, 0, 0.5, 255 / 256, 1])],
      );
      expect([...dx!]).toEqual([0, 1, 1, 1, 0]);
    });
  });

  it("leaves no tensors behind, and takes empty ones", () => {
    const spec = SPECS[0]!;
    const clip = tf.scalar(1);
    expect(fakeQuant(tf.zeros([0, 4]), clip, spec).shape).toEqual([0, 4]);
    expectFlatMemory(() => {
      tf.tidy(() => {
        tf.grads((a: tf.Tensor, c: tf.Tensor) => tf.sum(fakeQuant(a, c, spec)))([
          tf.ones([3, 5]),
          tf.scalar(0.5),
        ]);
        gridScale(clip, spec).dispose();
        fakeQuantCodes(tf.ones([2]), clip, spec).dispose();
      });
    });
  });
});
