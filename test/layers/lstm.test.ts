import * as tf from "@tensorflow/tfjs";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { selectBackend } from "../../src/backends/select.ts";
import { QuantLSTM } from "../../src/layers/lstm.ts";
import type { RecurrentStackArgs } from "../../src/layers/recurrent-stack.ts";
import { resolveQuantConfig, type QuantParamsInput } from "../../src/quant/config.ts";
import { withPass, type PassOptions } from "../../src/quant/pass.ts";
import { ClipQuantizer } from "../../src/quant/quantizers.ts";
import { SeedSequence } from "../../src/quant/seed-sequence.ts";
import { describeVariants } from "../helpers/backend-variants.ts";
import { built, calibrate, distance, quantizersOf, variablesOf } from "../helpers/recurrent.ts";

beforeAll(() => selectBackend("cpu"));
afterEach(() => {
  vi.restoreAllMocks();
});

const [TIME, BATCH, INPUTS, UNITS] = [3, 3, 6, 4];

const input = (): tf.Tensor3D =>
  tf.randomNormal<tf.Rank.R3>([TIME, BATCH, INPUTS], 0, 1.5, "float32", 21);

function lstm(params: QuantParamsInput | null, args: Partial<RecurrentStackArgs> = {}): QuantLSTM {
  const quantConfig = params === null ? null : resolveQuantConfig(params);
  const layer = new QuantLSTM({
    name: "lstm",
    units: UNITS,
    initialRange: 1,
    ...args,
    quantConfig,
  });
  return built(layer, INPUTS);
}

/** Outputs [time, batch, units] in a pass of its own. */
function outputs(layer: QuantLSTM, x: tf.Tensor3D, options: PassOptions = {}): tf.Tensor3D {
  return withPass(options, (pass) => tf.tidy(() => layer.run(x, pass).outputs));
}

describe("the quantizers of a cell", () => {
  it("are the operands of products, the sums of gates and the states", () => {
    const layer = lstm({});
    expect(quantizersOf(layer)).toEqual({
      "cells/0/fc_gate_x/kernel": 8,
      "cells/0/fc_gate_x/input": 8,
      "cells/0/fc_gate_h/kernel": 8,
      "cells/0/act_f/input": 8,
      "cells/0/act_i/input": 8,
      "cells/0/act_o/input": 8,
      "cells/0/act_g/input": 8,
      "cells/0/eltwiseadd_cell/output": 16,
      "cells/0/eltwisemult_hidden/output": 8,
    });
    layer.dispose();
  });

  it("are the results of every operation for distiller-2019", () => {
    const layer = lstm({ quant_compat: "distiller-2019" });
    expect(quantizersOf(layer)).toEqual({
      "cells/0/fc_gate_x/kernel": 8,
      "cells/0/fc_gate_x/input": 8,
      "cells/0/fc_gate_x/output": 8,
      "cells/0/fc_gate_h/kernel": 8,
      "cells/0/fc_gate_h/output": 8,
      "cells/0/eltwiseadd_gate/output": 8,
      "cells/0/act_f/output": 8,
      "cells/0/act_i/output": 8,
      "cells/0/act_o/output": 8,
      "cells/0/act_g/output": 8,
      "cells/0/eltwisemult_cell_forget/output": 8,
      "cells/0/eltwisemult_cell_input/output": 8,
      "cells/0/eltwiseadd_cell/output": 8,
      "cells/0/act_h/output": 8,
      "cells/0/eltwisemult_hidden/output": 8,
    });
    layer.dispose();
  });

  it("have a clip each, beside two kernels and two biases", () => {
    const layer = lstm({}, { numLayers: 2, bidirectional: true });
    const variables = variablesOf(layer);
    const clips = Object.keys(quantizersOf(layer)).map((path) => `${path}_clip_max`);
    const cells = ["cells/0", "cells_reverse/0", "cells/1", "cells_reverse/1"];
    const weights = cells.flatMap((cell) =>
      ["fc_gate_x", "fc_gate_h"].flatMap((fc) => [`${cell}/${fc}/kernel`, `${cell}/${fc}/bias`]),
    );
    expect([...variables.keys()].sort()).toEqual([...clips, ...weights].sort());
    expect(variables.get("cells/0/fc_gate_x/kernel")!.shape).toEqual([INPUTS, 4 * UNITS]);
    expect(variables.get("cells_reverse/1/fc_gate_x/kernel")!.shape).toEqual([
      2 * UNITS,
      4 * UNITS,
    ]);
    expect(variables.get("cells/1/fc_gate_h/kernel")!.shape).toEqual([UNITS, 4 * UNITS]);
    layer.dispose();
  });

  it("take the bits of cell states and overrides by glob", () => {
    const layer = lstm(
      {
        quant_cell_bits: 8,
        overrides: [
          { match: "**/cells/1/eltwiseadd_cell", quant_cell_bits: 12 },
          { match: "**/act_f", enable: false },
          { match: "**/act_g/input", quant_act_bits: 6 },
        ],
      },
      { numLayers: 2 },
    );
    const bits = quantizersOf(layer);
    expect(bits["cells/0/eltwiseadd_cell/output"]).toBe(8);
    expect(bits["cells/1/eltwiseadd_cell/output"]).toBe(12);
    expect(Object.keys(bits).filter((path) => path.includes("act_f"))).toEqual([]);
    expect(bits["cells/1/act_g/input"]).toBe(6);
    expect(bits["cells/1/act_i/input"]).toBe(8);
    layer.policy.assertAllMatched();
    layer.dispose();
  });

  it("have no variables in float", () => {
    const layer = lstm(null);
    expect([...variablesOf(layer).keys()].filter((name) => name.endsWith("_clip_max"))).toEqual([]);
    layer.dispose();
  });
});

/** How often each weight is quantized while `use` runs. */
function weightCalls(use: () => void): Record<string, number> {
  const spies = (["apply", "codes"] as const).map((method) =>
    vi.spyOn(ClipQuantizer.prototype, method),
  );
  use();
  const paths = spies
    .flatMap(({ mock }) => mock.contexts as ClipQuantizer[])
    .filter(({ kind }) => kind === "weight")
    .map(({ path }) => path);
  vi.restoreAllMocks();
  const counts: Record<string, number> = {};
  for (const path of paths) counts[path] = (counts[path] ?? 0) + 1;
  return counts;
}

describe("weights", () => {
  const options: [string, PassOptions][] = [
    ["of values", {}],
    ["of values in training", { training: true }],
    ["of codes", { products: "codes" }],
    ["of codes, watched", { products: "codes", onCodes: () => undefined }],
  ];
  it.each(options)("are quantized once for a sequence in a pass %s", (_, options) => {
    const x = input();
    for (const params of [{}, { quant_compat: "distiller-2019" } as const]) {
      const layer = lstm(params);
      const counts = weightCalls(() => {
        tf.tidy(() => outputs(layer, x, options));
      });
      expect(counts).toEqual({
        "lstm/cells/0/fc_gate_x/kernel": 1,
        "lstm/cells/0/fc_gate_h/kernel": 1,
      });
      layer.dispose();
    }
    x.dispose();
  });
});

describeVariants("a quantized LSTM", () => {
  const placements: [string, QuantParamsInput][] = [
    ["by default", {}],
    ["with a clip for each channel", { quant_per_channel: true }],
    ["with 8 bits of cell states", { quant_cell_bits: 8 }],
    ["for distiller-2019", { quant_compat: "distiller-2019" }],
    ["with a part in float", { overrides: [{ match: "**/eltwisemult_hidden", enable: false }] }],
    ["with gates in float", { overrides: [{ match: "**/act_*", enable: false }] }],
  ];

  describe.each(placements)("%s", (_, params) => {
    const sizes = { bidirectional: true };

    it("gives the same results from products of values and of codes", () => {
      const [layer, float, x] = [lstm(params, sizes), lstm(null, sizes), input()];
      calibrate(layer, x);
      const values = outputs(layer, x);
      const codes = outputs(layer, x, { products: "codes" });
      const exact = outputs(float, x);
      expect(distance(values, codes)).toBeLessThan(1e-5);
      // It is quantized, and not by much.
      expect(distance(values, exact)).toBeGreaterThan(1e-4);
      expect(distance(values, exact)).toBeLessThan(0.1);
      tf.dispose([x, values, codes, exact]);
      layer.dispose();
      float.dispose();
    });

    it("gives the same results when it is watched", () => {
      const [layer, x] = [lstm(params, sizes), input()];
      calibrate(layer, x);
      const seen = new Map<string, number>();
      const count = (path: string): void => {
        seen.set(path, (seen.get(path) ?? 0) + 1);
      };
      for (const products of ["values", "codes"] as const) {
        const unwatched = outputs(layer, x, { products });
        const observed = outputs(layer, x, { products, observe: count });
        const coded = outputs(layer, x, { products, onCodes: count });
        const within = products === "codes" ? 0 : 1e-5;
        expect(distance(unwatched, observed)).toBeLessThanOrEqual(within);
        expect(distance(unwatched, coded)).toBeLessThanOrEqual(within);
        tf.dispose([unwatched, observed, coded]);
      }
      // Of 4 passes each: every activation at every step, the inputs of a cell once.
      for (const path of Object.keys(quantizersOf(layer)).filter((p) => !p.endsWith("/kernel"))) {
        // The state before the first step is zeros: nothing to forget.
        const steps = path.includes("cell_forget") ? TIME - 1 : TIME;
        const isOnce = /fc_gate_x\/(input|output)$/.test(path);
        expect([path, seen.get(`lstm/${path}`)]).toEqual([path, isOnce ? 4 : 4 * steps]);
      }
      x.dispose();
      layer.dispose();
    });
  });

  it("is calibrated clip by clip, all of a stack", () => {
    const [layer, x] = [lstm({}, { numLayers: 2, bidirectional: true }), input()];
    const variables = variablesOf(layer);
    const before = new Map([...variables].map(([name, v]) => [name, v.dataSync()[0]]));
    const names = calibrate(layer, x).map((name) => name.slice("lstm/".length));
    const clips = [...variables.keys()].filter((name) => name.endsWith("_clip_max"));
    expect(names.sort()).toEqual(clips.sort());
    expect(clips.filter((name) => variables.get(name)!.dataSync()[0] === before.get(name))).toEqual(
      [],
    );
    // The largest input is the first layer's, in both directions.
    const largest = Math.max(...x.dataSync().map(Math.abs));
    for (const cells of ["cells", "cells_reverse"]) {
      expect(variables.get(`${cells}/0/fc_gate_x/input_clip_max`)!.dataSync()[0]).toBe(largest);
    }
    // Hidden states lie in (−1, 1); they are what the next layer takes in.
    const hidden = ["cells/0", "cells_reverse/0"].map(
      (cell) => variables.get(`${cell}/eltwisemult_hidden/output_clip_max`)!.dataSync()[0]!,
    );
    expect(Math.max(...hidden)).toBeLessThan(1);
    expect(variables.get("cells/1/fc_gate_x/input_clip_max")!.dataSync()[0]).toBe(
      Math.max(...hidden),
    );
    x.dispose();
    layer.dispose();
  });
});

describe("dropout", () => {
  const training = (): PassOptions => ({ training: true, dropout: new SeedSequence(5) });

  it("is active in training alone", () => {
    const x = input();
    const [plain, dropping] = [0, 0.5].map((dropoutRate) =>
      lstm(null, { numLayers: 2, dropoutRate }),
    );
    const [expected, evaluated, trained] = [
      outputs(plain!, x, training()),
      outputs(dropping!, x),
      outputs(dropping!, x, training()),
    ];
    expect(distance(expected, evaluated)).toBe(0);
    expect(distance(expected, trained)).toBeGreaterThan(0.01);
    tf.dispose([x, expected, evaluated, trained]);
    plain!.dispose();
    dropping!.dispose();
  });

  it("spares the inputs of the first layer unless it is told to drop them", () => {
    const x = input();
    const layers = [false, true].map((dropsFirstInput) =>
      lstm(null, { dropoutRate: 0.5, dropsFirstInput }),
    );
    const [spared, dropped] = layers.map((layer) => {
      const [trained, evaluated] = [outputs(layer, x, training()), outputs(layer, x)];
      const changed = distance(trained, evaluated);
      tf.dispose([trained, evaluated]);
      layer.dispose();
      return changed;
    });
    expect(spared).toBe(0);
    expect(dropped).toBeGreaterThan(0.01);
    x.dispose();
  });
});

describe("residual connections", () => {
  it("add a layer's input to its result, from the given layer on", () => {
    const sizes = { units: INPUTS, numLayers: 2 };
    const [plain, first, second] = [null, 0, 1].map((residualFrom) =>
      lstm(null, { ...sizes, residualFrom }),
    );
    const single = lstm(null, { units: INPUTS });
    const x = input();
    const both = [plain!, second!].map((layer) => outputs(layer, x));
    const one = outputs(single, x);
    // The cells are alike: the same names, and so the same weights.
    const expected = tf.add(both[0]!, one);
    expect(distance(both[1]!, expected)).toBeLessThan(1e-6);
    const all = outputs(first!, x);
    expect(distance(all, both[1]!)).toBeGreaterThan(0.01);
    tf.dispose([x, one, expected, all, ...both]);
    for (const layer of [plain!, first!, second!, single]) layer.dispose();
  });

  it("need inputs as wide as results", () => {
    expect(() => lstm(null, { residualFrom: 0 })).toThrow(
      /lstm: expected a layer with a residual connection .* received 6 and 4 in layer 0/,
    );
  });

  it("are rounded for distiller-2019 alone", () => {
    const compat = { quant_compat: "distiller-2019" } as const;
    for (const [params, expected] of [
      [{}, []],
      [compat, ["eltwiseadd_residuals/0/output"]],
    ] as const) {
      const layer = lstm(params, { units: INPUTS, residualFrom: 0 });
      const paths = Object.keys(quantizersOf(layer)).filter((path) => path.includes("residual"));
      expect(paths).toEqual(expected);
      layer.dispose();
    }
  });
});

describe("under the host", () => {
  it("the last step is that of each direction", () => {
    const x = tf.tidy(() => tf.transpose(input(), [1, 0, 2]));
    const [all, last] = [true, false].map((returnSequences) => {
      const layer = lstm(null, { bidirectional: true, returnSequences });
      const y = layer.apply(x) as tf.Tensor;
      layer.dispose();
      return y;
    });
    const expected = tf.tidy(() =>
      tf
        .concat(
          [
            tf.slice(all!, [0, TIME - 1, 0], [BATCH, 1, UNITS]),
            tf.slice(all!, [0, 0, UNITS], [BATCH, 1, UNITS]),
          ],
          2,
        )
        .reshape([BATCH, 2 * UNITS]),
    );
    expect(distance(last!, expected)).toBe(0);
    tf.dispose([x, all!, last!, expected]);
  });

  it("inputs of another rank, and further inputs, are refused", () => {
    const layer = lstm(null);
    const x = tf.zeros([2, INPUTS]);
    expect(() => layer.apply(x)).toThrow(
      /lstm: expected one input \[batch, time, width\], received 1/,
    );
    expect(() => layer.call([x, x], {})).toThrow(/received 2 of rank 2\. Use run\(\)/);
    x.dispose();
    layer.dispose();
  });
});

describe("padding", () => {
  it("changes nothing before it, and leaves zeros", () => {
    const layer = lstm({}, { numLayers: 2, bidirectional: true });
    const x = input();
    calibrate(layer, x);
    tf.tidy(() => {
      const lengths = tf.tensor1d([2, TIME, 1], "int32");
      const noise = tf.randomNormal(x.shape, 0, 9, "float32", 3);
      const { outputs: padded, states } = withPass({ products: "codes" }, (pass) =>
        layer.run(x, pass, { lengths, wantsStates: true }),
      );
      const real = tf.reshape(tf.less(tf.range(0, TIME).expandDims(1), lengths), [TIME, BATCH, 1]);
      const other = tf.where(real, x, noise) as tf.Tensor3D;
      const again = withPass({ products: "codes" }, (pass) =>
        layer.run(other, pass, { lengths, wantsStates: true }),
      );
      expect(distance(padded, again.outputs)).toBe(0);
      const after = tf.mul(padded, tf.sub(1, tf.cast(real, "float32")));
      expect(tf.max(tf.abs(after)).dataSync()[0]).toBe(0);
      states.flat().forEach((state, i) => {
        expect(distance(state, again.states.flat()[i]!)).toBe(0);
      });
    });
    x.dispose();
    layer.dispose();
  });
});
