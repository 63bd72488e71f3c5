import * as tf from "@tensorflow/tfjs";
import { beforeAll, describe, expect, it } from "vitest";
import { selectBackend } from "../../src/backends/select.ts";
import { rangeGrid, type RangeSpec } from "../../src/core/range-grid.ts";
import { AffineQuantizer } from "../../src/quant/affine-quantizer.ts";
import { ClipQuantizer, type RangeVariable } from "../../src/quant/quantizers.ts";

beforeAll(() => selectBackend("cpu"));

const f = Math.fround;
const variableOf = (shape: number[]): RangeVariable & { values(): number[] } => {
  const variable = tf.variable(tf.ones(shape));
  return {
    read: () => variable,
    write: (value) => {
      variable.assign(value);
    },
    values: () => [...variable.dataSync()],
  };
};

function quantizerOf(changes: Partial<RangeSpec>, channels: number | null = null) {
  const shape = channels === null ? [] : [channels];
  const [scale, zeroPoint] = [variableOf(shape), variableOf(shape)];
  const spec: RangeSpec = {
    ...({ kind: "act", bits: 8, mode: "asymmetric_signed", compat: "none" } as const),
    ...{ scaleApproxMultBits: null, ...changes },
  };
  const axis = channels === null ? null : 1;
  return {
    quantizer: new AffineQuantizer({ path: "p", spec, axis, scale, zeroPoint }),
    scale,
    zeroPoint,
    spec,
  };
}

describe("AffineQuantizer", () => {
  it("reports the range that it was given, not one shifted by half the codes", () => {
    const { quantizer, zeroPoint } = quantizerOf({});
    quantizer.assignRange({ lo: [-3.5], hi: [14.5] });
    expect(zeroPoint.values()).toEqual([-78]);
    const { min, max, scale, zeroPoint: zero, clip } = quantizer.range();
    expect(Math.abs(min[0]! + 3.5)).toBeLessThan(scale[0]!);
    expect(Math.abs(max[0]! - 14.5)).toBeLessThan(scale[0]!);
    expect([...zero]).toEqual([-78]);
    expect(clip).toHaveLength(0);
    expect(quantizer.stored).toEqual({ qmin: -128, qmax: 127 });
    expect(quantizer.maxAbsCode).toBe(255);
  });

  it("has the grid that it says a range would give", () => {
    for (const mode of ["symmetric", "asymmetric_unsigned"] as const) {
      const { quantizer, scale, spec } = quantizerOf({ mode, compat: "distiller-2020", bits: 4 });
      const grid = quantizer.gridFor({ lo: -1, hi: 3 });
      expect(grid).toEqual(rangeGrid(spec, { lo: -1, hi: 3 }));
      expect(scale.values()).toEqual([1]);
      quantizer.assignRange({ lo: [-1], hi: [3] });
      expect(scale.values()).toEqual([grid.scale]);
      const { min, max } = quantizer.range();
      expect([min[0], max[0]]).toEqual([grid.lowest, grid.highest]);
    }
  });

  it("takes a range for each channel", () => {
    const { quantizer, scale, zeroPoint } = quantizerOf({ kind: "weight" }, 2);
    quantizer.assignRange({ lo: Float32Array.of(-1, -2), hi: [3, 0] });
    expect(scale.values()).toEqual([f(4 / 255), f(2 / 255)]);
    expect(zeroPoint.values()).toEqual([-64, 127]);
    tf.tidy(() => {
      const x = tf.tensor2d([-1, -2, 3, 1], [2, 2]);
      expect([...quantizer.codes(x).dataSync()]).toEqual([-64, -255, 191, 0]);
      expect([...quantizer.apply(x).dataSync()]).toEqual([
        ...[f(-64 * f(4 / 255)), -2, f(191 * f(4 / 255)), 0],
      ]);
    });
    expect(() => {
      quantizer.assignRange({ lo: [-1], hi: [1] });
    }).toThrow('range of "p": expected 2 for each bound, received 1.');
  });
});

describe("ClipQuantizer", () => {
  const clipped = (kind: "act" | "relu" | "softmax", clip: RangeVariable | null) =>
    new ClipQuantizer({
      spec: { kind, bits: 8, axis: null, rounding: "half_even", compat: "none" },
      ...{ path: "p", clip, clipL2: 0, isClipGiven: false },
    });

  it("takes the wider end of a range as its clip, of relu the upper one", () => {
    for (const [kind, lo, clip] of [
      ["act", -7, 7],
      ["relu", 0, 2],
    ] as const) {
      const variable = variableOf([]);
      const quantizer = clipped(kind, variable);
      expect(quantizer.gridFor({ lo, hi: 2 }).highest).toBe(clip);
      quantizer.assignRange({ lo: [lo], hi: [2] });
      expect(variable.values()).toEqual([clip]);
      expect([...quantizer.range().zeroPoint]).toEqual([0]);
    }
  });

  it("keeps the constant range of softmax", () => {
    const quantizer = clipped("softmax", null);
    quantizer.assignRange({ lo: [0], hi: [0.5] });
    expect(quantizer.gridFor({ lo: 0, hi: 0.5 }).scale).toBe(2 ** -8);
    expect(quantizer.range().scale[0]).toBe(2 ** -8);
  });
});
