import { describe, expect, it } from "vitest";
import { rangeGrid } from "../../src/core/range-grid.ts";
import { clipStatistics } from "../../src/quant/clip-statistics.ts";
import { chooseRange } from "../../src/quant/range-methods.ts";
import type { TensorStatistics } from "../../src/core/tensor-statistics.ts";

/** rnn.cells.0.eltwiseadd_gate of Distiller's word language model, its output. */
const GATES: TensorStatistics = {
  ...{ min: -15.612003326416016, max: 15.450967788696289 },
  ...{ avgMin: -6.393781979404043, avgMax: 5.522592915806375 },
  ...{ mean: -0.7798242293363614, std: 1.3385719958875721, b: null },
  ...{ shape: "(10, 6000)", totalNumel: null, histogram: null },
};
const SIX = { lo: -6, hi: 6 };

describe("statistics as a sigmoid sees them", () => {
  it("are those that Distiller prints: the ends, the averages within, the rest as it was", () => {
    expect(clipStatistics(GATES, SIX)).toEqual({
      ...GATES,
      ...{ min: -6, max: 6, avgMin: -6, avgMax: 5.522592915806375 },
    });
  });

  it("give the scale that Distiller prints, 127/6", () => {
    const spec = {
      ...({ kind: "act", bits: 8, mode: "symmetric", compat: "distiller-2019" } as const),
      scaleApproxMultBits: null,
    };
    const choice = { method: "none", spec, nStds: null, halfRange: false, where: "x" } as const;
    const grid = rangeGrid(spec, chooseRange(clipStatistics(GATES, SIX), choice));
    expect(Math.abs(1 / grid.scale / 21.166668 - 1)).toBeLessThan(1e-6);
    const fcGateX = { ...GATES, min: -7.170577049255371, max: 6.01923131942749 };
    const whole = rangeGrid(spec, chooseRange(fcGateX, choice));
    expect(Math.abs(1 / whole.scale / 17.711266 - 1)).toBeLessThan(1e-6);
  });

  it("lie at the nearer end where all values are beyond it", () => {
    const far = { ...GATES, min: 7, avgMin: 8, avgMax: 9, max: 10 };
    expect(clipStatistics(far, SIX)).toMatchObject({ min: 6, avgMin: 6, avgMax: 6, max: 6 });
    expect(clipStatistics(far, { lo: 11, hi: 12 })).toMatchObject({ min: 11, max: 11 });
  });

  it("keep the number of values: those beyond an end are counted in its cell", () => {
    const histogram = { width: 2, counts: Float64Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10) };
    const clipped = clipStatistics({ ...GATES, histogram }, SIX).histogram!;
    expect(clipped.width).toBe(2);
    expect([...clipped.counts]).toEqual([0, 0, 6, 4, 5, 6, 7, 27, 0, 0]);
  });
});
