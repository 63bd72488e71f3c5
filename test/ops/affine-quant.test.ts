import * as tf from "@tensorflow/tfjs";
import { expect, it } from "vitest";
import { codeOf, valueOf } from "../../src/core/affine.ts";
import { QUANT_MODES } from "../../src/core/qtype.ts";
import { rangeGrid, type RangeGrid } from "../../src/core/range-grid.ts";
import { affineQuant, affineQuantCodes } from "../../src/ops/affine-quant.ts";
import { describeVariants, expectFlatMemory } from "../helpers/backend-variants.ts";
import { gradientsOf, normals } from "../helpers/numeric.ts";

const GRIDS = QUANT_MODES.flatMap((mode) =>
  [2, 4, 8, 16].flatMap((bits) =>
    [
      { lo: -1, hi: 3 },
      { lo: 2, hi: 3 },
      { lo: -3, hi: -2 },
      { lo: 0, hi: 0 },
      { lo: -1e-20, hi: 3e-20 },
    ].map((range) =>
      rangeGrid({ kind: "act", bits, mode, compat: "none", scaleApproxMultBits: null }, range),
    ),
  ),
);

const storedCodes = ({ qmin, qmax, zeroPoint }: RangeGrid) => ({
  ...{ qmin: qmin + zeroPoint, qmax: qmax + zeroPoint, axis: null },
});

const tensorsOf = ({ scale, zeroPoint }: RangeGrid) => ({
  ...{ scale: tf.scalar(scale), zeroPoint: tf.scalar(zeroPoint) },
});

/** Random values, and every place where rounding or saturation decides. */
function trickyValues({ scale, lowest, highest, qmin, qmax }: RangeGrid, seed: number) {
  const ties = [-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, qmin - 0.5, qmin + 0.5, qmax - 0.5, qmax + 0.5];
  const around = (v: number): number[] => [v, v * (1 + 2 ** -23), v * (1 - 2 ** -23)];
  return Float32Array.from([
    ...ties.flatMap((tie) => around(Math.fround(tie * scale))),
    ...[...around(lowest), ...around(highest)],
    ...[0, -0, Infinity, -Infinity, NaN, 1e-45, -1e-45, 3e38, -3e38],
    ...normals(60, seed, Math.max(highest, -lowest, 1e-3)),
  ]);
}

describeVariants("affineQuant", () => {
  it("gives core's centred code and value for every input", () => {
    GRIDS.forEach((grid, i) => {
      const x = trickyValues(grid, i + 1);
      const codes = Array.from(x, (v) => codeOf(v, grid));
      const values = codes.map((code) => valueOf(code, grid));
      tf.tidy(() => {
        const where = JSON.stringify(grid);
        const [input, tensors, spec] = [tf.tensor1d(x), tensorsOf(grid), storedCodes(grid)];
        expect([...affineQuantCodes(input, tensors, spec).dataSync()], where).toEqual(codes);
        expect([...affineQuant(input, tensors, spec).dataSync()], where).toEqual(values);
      });
    });
  });

  it.each([0, 2])("takes one scale and zero point for each channel along axis %i", (axis) => {
    const shape: [number, number, number] = [5, 3, 5];
    const scales = [0.1, 0.25, 1, 0.01, 3];
    const zeroPoints = [-8, 7, 0, 3, -2];
    const x = normals(75, 10, 1.5);
    const strides = [15, 5, 1];
    const expected = Array.from(x, (v, i) => {
      const c = Math.floor(i / strides[axis]!) % 5;
      const q = Math.round(Math.fround(v / Math.fround(scales[c]!)));
      return Math.min(Math.max(q, -8 - zeroPoints[c]!), 7 - zeroPoints[c]!) + 0;
    });
    tf.tidy(() => {
      const grid = { scale: tf.tensor1d(scales), zeroPoint: tf.tensor1d(zeroPoints) };
      const spec = { qmin: -8, qmax: 7, axis };
      expect([...affineQuantCodes(tf.tensor3d(x, shape), grid, spec).dataSync()]).toEqual(expected);
    });
  });

  it("passes the gradient straight through in range, and none to the grid", () => {
    const grid = GRIDS.find(({ zeroPoint }) => zeroPoint !== 0)!;
    const x = normals(60, 20, grid.highest);
    const weights = normals(60, 21);
    const expected = Array.from(x, (v, i) =>
      v >= grid.lowest && v <= grid.highest ? weights[i]! : 0,
    );
    expect(expected).toContain(0);
    const [dx, ...others] = gradientsOf(
      (a, scale, zeroPoint) =>
        tf.sum(
          tf.mul(
            affineQuant(a, { scale: scale, zeroPoint: zeroPoint }, storedCodes(grid)),
            tf.tensor1d(weights),
          ),
        ),
      [tf.tensor1d(x), tf.scalar(grid.scale), tf.scalar(grid.zeroPoint)],
    );
    expect([...dx!]).toEqual(expected);
    expect(others.map((g) => [...g])).toEqual([[0], [0]]);
  });

  it("keeps no tensor", () => {
    const grid = GRIDS.find(({ zeroPoint }) => zeroPoint !== 0)!;
    expectFlatMemory(() => {
      const tensors = tensorsOf(grid);
      const x = tf.tensor1d(normals(33, 3));
      for (const f of [affineQuant, affineQuantCodes]) f(x, tensors, storedCodes(grid)).dispose();
      tf.dispose([x, ...Object.values(tensors)]);
    });
  });
});
