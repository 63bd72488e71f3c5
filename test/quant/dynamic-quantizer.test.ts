import * as tf from "@tensorflow/tfjs";
import { expect, it } from "vitest";
import { onGrid } from "../../src/core/affine.ts";
import { QUANT_MODES } from "../../src/core/qtype.ts";
import { approximateScale, rangeGrid, type RangeSpec } from "../../src/core/range-grid.ts";
import { approximateScales, liveGrid } from "../../src/ops/live-grid.ts";
import { DynamicQuantizer, type DynamicQuantizerArgs } from "../../src/quant/dynamic-quantizer.ts";
import { describeVariants, expectFlatMemory } from "../helpers/backend-variants.ts";
import { normals } from "../helpers/numeric.ts";

const spec = (changes: Partial<RangeSpec> = {}): RangeSpec => ({
  ...{ kind: "act", bits: 8, mode: "symmetric", compat: "none", scaleApproxMultBits: null },
  ...changes,
});

function dynamic(args: Partial<DynamicQuantizerArgs>): DynamicQuantizer {
  const rest = { path: "p", method: "none", nStds: null, halfRange: false } as const;
  return new DynamicQuantizer({ ...rest, spec: spec(), ...args });
}

describeVariants("live ranges", () => {
  it("give the grid that the same numbers would give", () => {
    const ranges = [
      [-3.5, 14.5],
      [-2, -1],
      [0.1, 0.3],
      [0, 0],
      [-1e-20, 2e-20],
    ] as const;
    tf.engine().startScope();
    for (const mode of QUANT_MODES) {
      for (const kind of ["act", "relu"] as const) {
        for (const compat of ["none", "distiller-2019", "distiller-2020"] as const) {
          for (const [lo, hi] of ranges) {
            const of = spec({ mode, kind, compat, bits: 6 });
            const { grid: live, codes } = liveGrid(of, { lo: tf.scalar(lo), hi: tf.scalar(hi) });
            const grid = {
              scale: live.scale.dataSync()[0],
              zeroPoint: live.zeroPoint.dataSync()[0],
            };
            const { scale, zeroPoint, qmin, qmax } = rangeGrid(of, { lo, hi });
            expect([of, lo, hi, grid]).toEqual([of, lo, hi, { scale, zeroPoint }]);
            expect(codes).toMatchObject({ qmin: qmin + zeroPoint, qmax: qmax + zeroPoint });
          }
        }
      }
    }
    tf.engine().endScope();
  });

  it("have scales of integer factors where asked", () => {
    const scales = [1 / 21.25, 1 / 0.0123, 1 / 300, 1, 2 ** -20, 2 ** 20, 3e-30].map(Math.fround);
    const found = tf.tidy(() => approximateScales(tf.tensor1d(scales), 8).dataSync());
    const expected = scales.map((s) => Math.fround(1 / approximateScale(Math.fround(1 / s), 8)));
    expect([...found]).toEqual(expected);
  });

  // Samples −3.5 0 1 1 | −1 2 3 14.5: mean 2.125, std of the sample 5.2899, mean deviation 3.34375.
  const x = [-3.5, 0, 1, 1, -1, 2, 3, 14.5];
  const mean = 2.125;
  const std = Math.sqrt(x.reduce((sum, v) => sum + (v - mean) ** 2, 0) / 7);
  const b = x.reduce((sum, v) => sum + Math.abs(v - mean), 0) / 8;
  it.each([
    { method: "none", lo: -3.5, hi: 14.5 },
    { method: "avg", lo: -2.25, hi: 7.75 },
    { method: "n_std", nStds: 1, lo: mean - std, hi: mean + std },
    { method: "n_std", nStds: 9, lo: -3.5, hi: 14.5 },
    { method: "gauss", lo: -(mean + 3.92 * std), hi: mean + 3.92 * std },
    { method: "laplace", lo: -(mean + 9.89 * b), hi: mean + 9.89 * b },
    { method: "gauss", mode: "asymmetric_signed", lo: -3.5, hi: -3.5 + 2 * 3.92 * std },
    {
      method: "laplace",
      mode: "asymmetric_unsigned",
      halfRange: true,
      lo: -3.5,
      hi: -3.5 + 11.16 * b,
    },
  ] as const)("follow from the tensor: %o", ({ method, lo, hi, ...rest }) => {
    const {
      mode = "symmetric",
      nStds = null,
      halfRange = false,
    } = rest as {
      mode?: RangeSpec["mode"];
      nStds?: number;
      halfRange?: boolean;
    };
    const quantizer = dynamic({ method, nStds, halfRange, spec: spec({ mode }) });
    tf.tidy(() => {
      const tensor = tf.tensor2d(x, [2, 4]);
      const range = quantizer.rangeOf(tensor);
      expect(range.lo.dataSync()[0]).toBeCloseTo(lo, 4);
      expect(range.hi.dataSync()[0]).toBeCloseTo(hi, 4);
      const [low, high] = [range.lo.dataSync()[0]!, range.hi.dataSync()[0]!];
      const grid = rangeGrid(spec({ mode }), { lo: low, hi: high });
      expect([...quantizer.apply(tensor).dataSync()]).toEqual(x.map((v) => onGrid(v, grid)));
    });
  });

  it("change from tensor to tensor and keep nothing", () => {
    const quantizer = dynamic({});
    expectFlatMemory(() => {
      const [small, large] = [1, 100].map((size) => tf.tensor1d(normals(40, 3, size)));
      const first = quantizer.apply(small!);
      const other = quantizer.apply(large!);
      const again = quantizer.apply(small!);
      expect([...again.dataSync()]).toEqual([...first.dataSync()]);
      expect(new Set(first.dataSync()).size).toBeGreaterThan(20);
      tf.dispose([small, large, first, other, again]);
    });
  });
});

it("cannot be chosen by what needs statistics of many tensors", () => {
  expect(() => dynamic({ method: "mse" })).toThrow(
    'quant_act_clip of "p": expected one of none, avg, n_std, gauss, laplace with quant_dynamic, ' +
      "received mse.",
  );
  expect(() => dynamic({ method: "n_std" })).toThrow("quant_clip_n_stds");
});
