/** Linear maps as IntelLabs/distiller's: golden values made by running it (commit d859fc85). */
import * as tf from "@tensorflow/tfjs";
import { beforeAll, describe, expect, it } from "vitest";
import { selectBackend } from "../../src/backends/select.ts";
import { onGrid } from "../../src/core/affine.ts";
import type { QuantMode } from "../../src/core/qtype.ts";
import { approximateScale, rangeGrid } from "../../src/core/range-grid.ts";
import { QuantDense } from "../../src/layers/dense.ts";
import { QuantLSTM } from "../../src/layers/lstm.ts";
import { resolveQuantConfig, type QuantParamsInput } from "../../src/quant/config.ts";
import { withPass } from "../../src/quant/pass.ts";
import type { StaticQuantizer } from "../../src/quant/quantizers.ts";
import { describeBackends } from "../helpers/backend-variants.ts";

const f = Math.fround;
const WEIGHTS = [
  [-1, 0.5, 0, 0.5],
  [-0.05, 0, 0.05, 0.1],
  [0.3, 0.5999999, -0.1, -0.2],
];
const BIAS = [-0.3, 0.1, -0.5];
/**
 * The golden values are of 0.6 and 2, which lie between two codes of some modes. Distiller multiplies by
 * a rounded factor and adds the zero point before it rounds; here quotients are rounded.
 */
const INPUT = [-7, 5, 2.00001, -3];

function linear(params: QuantParamsInput): QuantDense {
  const quantConfig = resolveQuantConfig({ quant_compat: "distiller-2020", ...params });
  const flags = { quantizeInput: true, quantizeOutput: false };
  const layer = new QuantDense({ name: "d", units: 3, ...flags, quantConfig });
  layer.build([null, 4]);
  tf.tidy(() => {
    layer
      .namedVariables()
      .get("d/kernel")!
      .assign(tf.transpose(tf.tensor2d(WEIGHTS)));
    layer.namedVariables().get("d/bias")!.assign(tf.tensor1d(BIAS));
  });
  const isPerChannel = params.quant_per_channel === true;
  const rows = isPerChannel ? WEIGHTS : [WEIGHTS.flat()];
  static_(layer, "kernel").assignRange({
    lo: rows.map((row) => Math.min(...row)),
    hi: rows.map((row) => Math.max(...row)),
  });
  static_(layer, "input").assignRange({ lo: [-7], hi: [5] });
  return layer;
}

const static_ = (layer: QuantDense, name: string): StaticQuantizer =>
  layer.quantizers.get(name) as StaticQuantizer;

function outputs(layer: QuantDense, x: readonly number[][]): number[] {
  return withPass({ products: "codes" }, (pass) =>
    tf.tidy(() => [...layer.transform(tf.tensor2d(x as number[][]), pass).dataSync()]),
  );
}

const modes = (mode: QuantMode): QuantParamsInput => ({
  ...{ quant_weight_mode: mode, quant_act_mode: mode },
});

interface Golden {
  readonly mode: QuantMode;
  readonly perChannel?: boolean;
  readonly y: readonly number[];
  /** 1/scale and zero points, of Distiller's sign. */
  readonly factors: readonly number[];
  readonly zeros: readonly number[];
  readonly biases?: readonly number[];
}

const ASYMMETRIC = {
  y: [7.687381744, 0.241172761, 0.78381145],
  ...{ factors: [159.375], biases: [-1016, 339, -1693] },
};
const BY_CHANNEL = { y: [7.699931145, 0.241566464, 0.785090983], factors: [170, 1700, 318.75] };

const GOLDEN: readonly Golden[] = [
  {
    mode: "symmetric",
    y: [7.716608524, 0.243042782, 0.789889038],
    ...{ factors: [127.5], zeros: [0], biases: [-697, 232, -1161] },
  },
  {
    mode: "symmetric_restricted",
    y: [7.727818489, 0.24339585, 0.791036546],
    ...{ factors: [127], zeros: [0], biases: [-691, 230, -1152] },
  },
  { mode: "asymmetric_unsigned", ...ASYMMETRIC, zeros: [-159] },
  { mode: "asymmetric_signed", ...ASYMMETRIC, zeros: [-31] },
  {
    ...{ mode: "symmetric", perChannel: true, y: [7.716608524, 0.243042782, 0.789889038] },
    ...{ factors: [127.5, 1275, 212.5], zeros: [0, 0, 0], biases: [-697, 2322, -1935] },
  },
  {
    ...{ mode: "asymmetric_unsigned", perChannel: true, ...BY_CHANNEL },
    zeros: [-170, -85, -64],
  },
  {
    ...{ mode: "asymmetric_signed", perChannel: true, ...BY_CHANNEL },
    zeros: [-42, 43, 64],
  },
];

describeBackends("a linear map of distiller-2020", () => {
  it.each(GOLDEN)("$mode, by channel: $perChannel", ({ mode, perChannel = false, ...golden }) => {
    const layer = linear({ ...modes(mode), quant_per_channel: perChannel });
    const { scale, zeroPoint } = static_(layer, "kernel").range();
    golden.factors.forEach((factor, c) => {
      expect(Math.abs(f(1 / scale[c]!) / factor - 1)).toBeLessThan(1e-6);
    });
    expect([...zeroPoint].map((zero) => 0 - zero)).toEqual(golden.zeros);
    const scaleX = static_(layer, "input").range().scale[0]!;
    const found = BIAS.map((b, j) => Math.round(b / f(scaleX * scale[perChannel ? j : 0]!)));
    if (golden.biases !== undefined) expect(found).toEqual(golden.biases);
    // Distiller rounds the result onto the grid of its own range.
    const y = outputs(layer, [INPUT]);
    const spec = { kind: "act", bits: 8, mode, compat: "distiller-2020" } as const;
    const grid = rangeGrid(
      { ...spec, scaleApproxMultBits: null },
      { lo: Math.min(...y), hi: Math.max(...y) },
    );
    y.map((v) => onGrid(v, grid)).forEach((v, j) => {
      expect(Math.abs(v / golden.y[j]! - 1)).toBeLessThan(1e-6);
    });
    layer.dispose();
  });
});

describe("sums of products", () => {
  beforeAll(() => selectBackend("wasm"));

  it("are scaled with the bias inside: an integer on their own grid", () => {
    const layer = linear({});
    const { scale } = static_(layer, "kernel").range();
    const step = f(static_(layer, "input").range().scale[0]! * scale[0]!);
    // Nothing but the bias is left.
    expect(outputs(layer, [[0, 0, 0, 0]])).toEqual([-697, 232, -1161].map((b) => f(b * step)));
    layer.dispose();
  });

  it("take a bias that 32 bits cannot hold as the largest they can", () => {
    const layer = linear({});
    tf.tidy(() => {
      layer
        .namedVariables()
        .get("d/bias")!
        .assign(tf.tensor1d([1e9, -1e9, 0]));
    });
    const step = f(
      static_(layer, "input").range().scale[0]! * static_(layer, "kernel").range().scale[0]!,
    );
    expect(outputs(layer, [[0, 0, 0, 0]])).toEqual([f(2 ** 31 * step), f(-(2 ** 31) * step), 0]);
    layer.dispose();
  });

  it("have the scale of each input, not that of the first", () => {
    const layer = linear({});
    const first = outputs(layer, [INPUT]);
    static_(layer, "input").assignRange({ lo: [-70], hi: [50] });
    const wide = outputs(layer, [INPUT.map((v) => 10 * v)]);
    const [kernel] = static_(layer, "kernel").range().scale;
    const step = f(static_(layer, "input").range().scale[0]! * kernel!);
    // Ten times the same codes, and the bias in steps ten times as large.
    wide.forEach((y, j) => {
      expect(y).toBeCloseTo(10 * (first[j]! - BIAS[j]!) + BIAS[j]!, 1);
      expect(Math.abs(y / step - Math.round(y / step))).toBeLessThan(1e-3);
    });
    layer.dispose();
  });

  it("have scales of integer factors where asked", () => {
    const layer = linear({ quant_scale_approx_mult_bits: 5 });
    const scales = ["input", "kernel"].map((name) => static_(layer, name).range().scale[0]!);
    const exact = f(scales[0]! * scales[1]!);
    const step = f(1 / approximateScale(f(1 / exact), 5));
    expect(step).not.toBe(exact);
    expect(outputs(layer, [[0, 0, 0, 0]])).toEqual(BIAS.map((b) => f(Math.round(b / step) * step)));
    layer.dispose();
  });

  it("round the first bias of a sequence as those of steps from zeros", () => {
    const inFloat = ["fc_gate_h/output", "eltwiseadd_gate", "act_*", "eltwise*_cell*"];
    const quantConfig = resolveQuantConfig({
      quant_compat: "distiller-2020",
      overrides: inFloat.map((match) => ({ match: `**/${match}`, quant_float_bits: 32 })),
    });
    const layer = new QuantLSTM({ name: "lstm", units: 3, initialRange: 1, quantConfig });
    layer.build([null, null, 2]);
    const cells = (start: tf.Tensor2D[] | null): number[] =>
      withPass({ products: "codes" }, (pass) => {
        const run = { start: start === null ? null : [start], wantsStates: true };
        const { states } = layer.run(tf.ones([1, 2, 2]), pass, run);
        return [...states[0]![1]!.dataSync()];
      });
    tf.tidy(() => {
      const zeros = [tf.zeros<tf.Rank.R2>([2, 3]), tf.zeros<tf.Rank.R2>([2, 3])];
      expect(cells(null)).toEqual(cells(zeros));
    });
    layer.dispose();
  });
});
