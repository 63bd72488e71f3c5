import { describe, expect, it } from "vitest";
import { rangeGrid, type RangeSpec } from "../../src/core/range-grid.ts";
import { RandomStream } from "../../src/core/random.ts";
import { ConfigError } from "../../src/errors.ts";
import { chooseRange, type RangeChoice } from "../../src/quant/range-methods.ts";
import type { TensorStatistics } from "../../src/core/tensor-statistics.ts";
import { readStatistics } from "../../src/recipe/read-statistics.ts";
import { weightStatistics } from "../../src/quant/weight-statistics.ts";

const RECORD: TensorStatistics = {
  ...{ min: -3.5, max: 14.5, avgMin: -1.025, avgMax: 8.5, mean: 1, std: 2, b: 1.5 },
  ...{ shape: "(10, 100)", totalNumel: null, histogram: null },
};

function spec(changes: Partial<RangeSpec> = {}): RangeSpec {
  const mode = "symmetric";
  return { kind: "act", bits: 8, mode, compat: "none", scaleApproxMultBits: null, ...changes };
}

function choice(method: RangeChoice["method"], of: RangeSpec, more = {}): RangeChoice {
  return { method, spec: of, nStds: 2, halfRange: false, where: "x", ...more };
}

/** Codes in one unit and the zero point with Distiller's sign. */
function distillerGrid(of: RangeSpec, record: TensorStatistics, method: RangeChoice["method"]) {
  const grid = rangeGrid(of, chooseRange(record, choice(method, of)));
  return { scale: 1 / grid.scale, zeroPoint: 0 - grid.zeroPoint };
}

/** The output of an operation in a file that Distiller has published. */
function published(file: string, path: string): TensorStatistics {
  return readStatistics(`test/fixtures/ptq/${file}.yaml`).get(path)!.output!;
}

/** From a run of IntelLabs/distiller d859fc85, quantization/range_linear.py. */
const PUBLISHED: Record<string, [sym8: number, sym4: number, asym: [number, number][]]> = {
  none: [
    8.793103,
    0.517241,
    [
      [14.166667, 78],
      [0.833333, 5],
    ],
  ],
  avg: [
    15,
    0.882353,
    [
      [26.771656, 101],
      [1.574803, 6],
    ],
  ],
  n_std: [
    25.5,
    1.5,
    [
      [31.875, 32],
      [1.875, 2],
    ],
  ],
  gauss: [
    14.423077,
    1.229508,
    [
      [16.262754, 111],
      [1.470588, 6],
    ],
  ],
  laplace: [
    8.051785,
    0.877706,
    [
      [8.594541, 119],
      [0.994036, 7],
    ],
  ],
};

describe("ranges of Distiller's clip modes", () => {
  const compat = "distiller-2020";
  for (const [name, [sym8, sym4, asym]] of Object.entries(PUBLISHED)) {
    const method = name as RangeChoice["method"];
    it(`gives the scales and zero points of ${name}`, () => {
      [sym8, sym4].forEach((scale, i) => {
        const grid = distillerGrid(spec({ compat, bits: [8, 4][i]! }), RECORD, method);
        expect(grid.scale).toBeCloseTo(scale, 5);
        expect(grid.zeroPoint).toBe(0);
      });
      asym.forEach(([scale, zeroPoint], i) => {
        const of = spec({ compat, bits: [8, 4][i]!, mode: "asymmetric_signed" });
        const grid = distillerGrid(of, RECORD, method);
        expect(grid.scale).toBeCloseTo(scale, 5);
        expect(grid.zeroPoint).toBe(zeroPoint);
      });
    });
  }

  it("gives half ranges", () => {
    const of = spec({ compat, mode: "asymmetric_unsigned" });
    const range = chooseRange(RECORD, choice("laplace", of, { halfRange: true }));
    const grid = rangeGrid(of, range);
    expect(1 / grid.scale).toBeCloseTo(15.232975, 5);
    expect(grid.zeroPoint).toBe(16);
  });

  it("gives the scale of the factor of v, which the notebook prints for GNMT", () => {
    const record = published("gnmt", "decoder/att_rnn/attn/eltwisemul_norm_scaler");
    const grid = distillerGrid(spec({ compat: "distiller-2019" }), record, "none");
    expect(Math.abs(grid.scale / 611.199402 - 1)).toBeLessThan(1e-6);
  });

  it("gives the scales of the word language model", () => {
    const [decoder, gates] = ["decoder", "rnn/cells/0/fc_gate_x"].map((path) =>
      published("word_language_model", path),
    ) as [TensorStatistics, TensorStatistics];
    const of = { compat: "distiller-2019", mode: "asymmetric_signed" } as const;
    const asymmetric = distillerGrid(spec(of), decoder, "none");
    const average = distillerGrid(spec(of), decoder, "avg");
    const symmetric = [decoder, gates].map((record) =>
      distillerGrid(spec({ compat: "distiller-2019" }), record, "none"),
    );
    const scales = [asymmetric, average, ...symmetric].map(({ scale }) => scale);
    [5.024112, 9.93927, 3.65611, 17.711266].forEach((printed, i) => {
      expect(Math.abs(scales[i]! / printed - 1)).toBeLessThan(1e-6);
    });
    expect([asymmetric.zeroPoint, average.zeroPoint]).toEqual([48, 56]);
  });
});

describe("ranges of gauss and laplace", () => {
  const wide = { ...RECORD, std: 20, b: 20 };

  it("end where the values end", () => {
    expect(chooseRange(wide, choice("gauss", spec()))).toEqual({ lo: -14.5, hi: 14.5 });
    const asymmetric = choice("laplace", spec({ mode: "asymmetric_signed" }));
    expect(chooseRange(wide, asymmetric)).toEqual({ lo: -1.025, hi: 14.5 });
  });

  it("are wider than the values under Distiller, as Distiller's are", () => {
    const { hi } = chooseRange(wide, choice("gauss", spec({ compat: "distiller-2019" })));
    expect(hi).toBeCloseTo(1 + 20 * 3.92, 10);
  });

  it("are known to 16 bits", () => {
    const { hi } = chooseRange(RECORD, choice("gauss", spec({ bits: 16 })));
    expect(hi).toBeCloseTo(1 + 2 * 5.94, 10);
  });
});

describe("what statistics lack", () => {
  it("is named with the methods that work without it", () => {
    for (const method of ["percentile", "mse", "kl"] as const) {
      expect(() => chooseRange(RECORD, choice(method, spec()))).toThrow(
        `x: expected statistics with a histogram for the clip method ${method}, received statistics ` +
          'without it. Collect them with "tfjs-qat calibrate" and keep both of its files, or set ' +
          "quant_act_clip to one of none, avg, n_std, gauss, laplace.",
      );
    }
    const old = { ...RECORD, std: null, b: null };
    expect(() => chooseRange(old, choice("laplace", spec()))).toThrow(/none, avg, n_std, gauss\./);
    expect(() => chooseRange(old, choice("gauss", spec()))).toThrow(
      /set quant_act_clip to one of none, avg\./,
    );
    expect(() => chooseRange(RECORD, choice("n_std", spec(), { nStds: null }))).toThrow(
      ConfigError,
    );
  });
});

/** 100,000 normal values and a few far outside. */
function longTailed(shift = 0): TensorStatistics {
  const random = new RandomStream({ seed: 4, stream: 0 });
  const values = Float32Array.from({ length: 100_000 }, () => random.normal() + shift);
  values.set([12, -12.5], 0);
  const weight = { values, shape: [values.length, 1], channelAxis: 1, where: "x" };
  return [...weightStatistics(weight, { wantsHistogram: true })][0]!;
}

describe("searched ranges", () => {
  const tailed = longTailed();

  it("percentile leaves out one value in ten thousand", () => {
    const { hi } = chooseRange(tailed, choice("percentile", spec()));
    // The normal quantile of 0.99995.
    expect(hi).toBeGreaterThan(3.7);
    expect(hi).toBeLessThan(4.1);
    const asymmetric = choice("percentile", spec({ mode: "asymmetric_signed" }));
    const range = chooseRange(longTailed(1), asymmetric);
    expect(range.lo).toBeCloseTo(1 - 3.89, 0);
    expect(range.hi).toBeCloseTo(1 + 3.89, 0);
  });

  it.each([
    // ACIQ's optimum for normal values at 4 and 6 bits.
    [4, 2.55],
    [6, 3.28],
  ])("mse finds the best clip of normal values at %i bits", (bits, clip) => {
    const { lo, hi } = chooseRange(tailed, choice("mse", spec({ bits })));
    expect(lo).toBe(-hi);
    // The grid of a clip ends a step lower below zero, and shares of the extremes are coarse.
    expect(Math.abs(hi - clip)).toBeLessThan(0.25);
  });

  it("mse chooses both ends where they are free", () => {
    const of = spec({ bits: 4, mode: "asymmetric_signed" });
    const { lo, hi } = chooseRange(longTailed(2), choice("mse", of));
    expect(lo).toBeGreaterThan(2 - 3.2);
    expect(lo).toBeLessThan(2 - 1.7);
    expect(hi).toBeGreaterThan(2 + 1.8);
    expect(hi).toBeLessThan(2 + 3.2);
  });

  it("no search widens a range, and one code for each value cuts none", () => {
    for (const method of ["percentile", "mse", "kl"] as const) {
      for (const mode of ["symmetric", "asymmetric_signed", "asymmetric_unsigned"] as const) {
        const { lo, hi } = chooseRange(tailed, choice(method, spec({ mode })));
        expect(lo).toBeGreaterThanOrEqual(-12.5);
        expect(hi).toBeLessThanOrEqual(12.5);
      }
    }
    expect(chooseRange(tailed, choice("kl", spec({ bits: 16 }))).hi).toBeCloseTo(12.5, 5);
  });

  it("kl cuts the tail, not the body", () => {
    const { hi } = chooseRange(tailed, choice("kl", spec()));
    expect(hi).toBeGreaterThan(2.5);
    expect(hi).toBeLessThan(9);
  });

  it("begin at zero for the relu kind", () => {
    for (const method of ["none", "gauss", "percentile", "mse", "kl"] as const) {
      const { lo, hi } = chooseRange(tailed, choice(method, spec({ kind: "relu" })));
      expect(lo).toBe(0);
      expect(hi).toBeGreaterThan(1.5);
    }
  });

  it("is zero where every value is", () => {
    const weight = { values: new Float32Array(6), shape: [2, 3], channelAxis: 1, where: "x" };
    const [zero] = [...weightStatistics(weight, { wantsHistogram: true })];
    expect(chooseRange(zero!, choice("mse", spec()))).toEqual({ lo: 0, hi: 0 });
  });
});

describe("statistics of weights", () => {
  const values = Float32Array.of(1, -2, 3, 4, 5, -6);
  const weight = { values, shape: [2, 3], channelAxis: 1, where: "x" };

  it("are those of the whole tensor, with extremes averaged over channels", () => {
    const [all] = [...weightStatistics(weight)];
    expect(all).toMatchObject({ min: -6, max: 5, totalNumel: 6 });
    expect(all!.avgMin).toBeCloseTo((1 - 2 - 6) / 3, 12);
    expect(all!.avgMax).toBeCloseTo((4 + 5 + 3) / 3, 12);
    expect(all!.mean).toBeCloseTo(5 / 6, 12);
    // Python: statistics.stdev([1, -2, 3, 4, 5, -6])
    expect(all!.std).toBeCloseTo(4.167333280008531, 10);
  });

  it("are those of each channel", () => {
    const channels = [...weightStatistics(weight, { perChannel: true })];
    expect(channels.map(({ min, max }) => [min, max])).toEqual([
      [1, 4],
      [-2, 5],
      [-6, 3],
    ]);
    const rows = [...weightStatistics({ ...weight, channelAxis: 0 }, { perChannel: true })];
    expect(rows.map(({ min, max }) => [min, max])).toEqual([
      [-2, 3],
      [-6, 5],
    ]);
  });

  it("are refused for what is not finite", () => {
    const broken = { ...weight, values: Float32Array.of(1, NaN, 1, 1, 1, 1) };
    expect(() => [...weightStatistics(broken)]).toThrow(/"x": expected finite weights/);
  });
});
