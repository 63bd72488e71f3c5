import * as tf from "@tensorflow/tfjs";
import { beforeAll, describe, expect, it } from "vitest";
import { selectBackend } from "../../src/backends/select.ts";
import { codeOf, gridOf } from "../../src/core/affine.ts";
import { integerProduct, scaleAccumulator } from "../../src/core/integer-product.ts";
import type { QuantDense } from "../../src/layers/dense.ts";
import { QuantGRU, type QuantGRUArgs } from "../../src/layers/gru.ts";
import { resolveQuantConfig, type QuantParamsInput } from "../../src/quant/config.ts";
import { withPass, type PassOptions, type ProductRecord } from "../../src/quant/pass.ts";
import { ClipQuantizer } from "../../src/quant/quantizers.ts";
import { describeBackends, describeVariants } from "../helpers/backend-variants.ts";
import { built, calibrate, distance, quantizersOf, variablesOf } from "../helpers/recurrent.ts";

beforeAll(() => selectBackend("cpu"));

const [TIME, BATCH, INPUTS, UNITS] = [3, 3, 6, 4];

const input = (): tf.Tensor3D =>
  tf.randomNormal<tf.Rank.R3>([TIME, BATCH, INPUTS], 0, 1.5, "float32", 22);

function gru(params: QuantParamsInput | null, args: Partial<QuantGRUArgs> = {}): QuantGRU {
  const quantConfig = params === null ? null : resolveQuantConfig(params);
  const layer = new QuantGRU({ name: "gru", units: UNITS, initialRange: 1, ...args, quantConfig });
  return built(layer, INPUTS);
}

/** Outputs [time, batch, units] in a pass of its own. */
function outputs(layer: QuantGRU, x: tf.Tensor3D, options: PassOptions = {}): tf.Tensor3D {
  return withPass(options, (pass) => tf.tidy(() => layer.run(x, pass).outputs));
}

describe("the quantizers of a cell", () => {
  const DEFAULT = {
    "cells/0/fc_gate_x/kernel": 8,
    "cells/0/fc_gate_x/input": 8,
    "cells/0/fc_gate_h/kernel": 8,
    "cells/0/act_r/input": 8,
    "cells/0/act_z/input": 8,
    "cells/0/act_n/input": 8,
    "cells/0/eltwiseadd_hidden/output": 8,
  };

  it("are the operands of products and the sums of gates", () => {
    const layer = gru({});
    expect(quantizersOf(layer)).toEqual(DEFAULT);
    layer.dispose();
  });

  it("include r·h where it enters a product", () => {
    const layer = gru({}, { resetAfter: false });
    expect(quantizersOf(layer)).toEqual({ ...DEFAULT, "cells/0/eltwisemult_reset/output": 8 });
    layer.dispose();
  });

  it.each([true, false])("are all results for distiller-2019, resetAfter %s", (resetAfter) => {
    const layer = gru({ quant_compat: "distiller-2019" }, { resetAfter });
    expect(quantizersOf(layer)).toEqual({
      "cells/0/fc_gate_x/kernel": 8,
      "cells/0/fc_gate_x/input": 8,
      "cells/0/fc_gate_x/output": 8,
      "cells/0/fc_gate_h/kernel": 8,
      "cells/0/fc_gate_h/output": 8,
      "cells/0/eltwiseadd_gate/output": 8,
      "cells/0/act_r/output": 8,
      "cells/0/act_z/output": 8,
      "cells/0/eltwisemult_reset/output": 8,
      "cells/0/eltwiseadd_new/output": 8,
      "cells/0/act_n/output": 8,
      "cells/0/eltwisemult_new/output": 8,
      "cells/0/eltwisemult_hidden/output": 8,
      "cells/0/eltwiseadd_hidden/output": 8,
    });
    layer.dispose();
  });

  it("have a clip each, beside two kernels and two biases", () => {
    const layer = gru({}, { bidirectional: true });
    const variables = variablesOf(layer);
    const clips = Object.keys(quantizersOf(layer)).map((path) => `${path}_clip_max`);
    const weights = ["cells/0", "cells_reverse/0"].flatMap((cell) =>
      ["fc_gate_x", "fc_gate_h"].flatMap((fc) => [`${cell}/${fc}/kernel`, `${cell}/${fc}/bias`]),
    );
    expect([...variables.keys()].sort()).toEqual([...clips, ...weights].sort());
    expect(variables.get("cells/0/fc_gate_x/kernel")!.shape).toEqual([INPUTS, 3 * UNITS]);
    expect(variables.get("cells/0/fc_gate_h/kernel")!.shape).toEqual([UNITS, 3 * UNITS]);
    layer.dispose();
  });
});

describeVariants("a quantized GRU", () => {
  const placements: [string, QuantParamsInput, boolean][] = [true, false].flatMap((resetAfter) => [
    [`by default, resetAfter ${resetAfter}`, {}, resetAfter],
    [`by channel, resetAfter ${resetAfter}`, { quant_per_channel: true }, resetAfter],
    [
      `for distiller-2019, resetAfter ${resetAfter}`,
      { quant_compat: "distiller-2019" },
      resetAfter,
    ],
  ]);

  it.each(placements)(
    "gives the same results from values and codes, watched or not: %s",
    (...given) => {
      const [, params, resetAfter] = given;
      const sizes = { bidirectional: true, resetAfter };
      const [layer, float, x] = [gru(params, sizes), gru(null, sizes), input()];
      const names = calibrate(layer, x);
      expect(names.length).toBe(Object.keys(quantizersOf(layer)).length);
      const values = outputs(layer, x);
      const codes = outputs(layer, x, { products: "codes" });
      const exact = outputs(float, x);
      expect(distance(values, codes)).toBeLessThan(1e-5);
      expect(distance(values, exact)).toBeGreaterThan(1e-4);
      expect(distance(values, exact)).toBeLessThan(0.1);
      for (const [products, expected] of [
        ["values", values],
        ["codes", codes],
      ] as const) {
        const seen = { products, observe: () => undefined, onCodes: () => undefined };
        const watched = outputs(layer, x, seen);
        expect(distance(watched, expected)).toBe(0);
        watched.dispose();
      }
      tf.dispose([x, values, codes, exact]);
      layer.dispose();
      float.dispose();
    },
  );
});

/** One step from a state, by core: codes of the gate sums, and of the new state's sum. */
function coreStep(layer: QuantGRU, seen: ReadonlyMap<string, number[]>): Record<string, number[]> {
  const inner = (name: string): QuantDense =>
    layer.allLayers().find((l) => l.name === `gru/cells/0/${name}`) as QuantDense;
  const clip = (path: string): number =>
    variablesOf(layer).get(`cells/0/${path}_clip_max`)!.dataSync()[0]!;
  const grid = (path: string) => gridOf("act", 8, clip(path), "half_even");
  const linear = (name: string, codes: number[], path: string): number[] => {
    const kernel = inner(name).quantizedWeight("kernel");
    const [k, n] = kernel.shape as [number, number];
    const acc = integerProduct(Int32Array.from(codes), kernel.codes, { m: BATCH, k, n });
    const bias = inner(name).bias!.dataSync() as Float32Array;
    const scales = { scaleA: grid(path).scale, scaleB: kernel.scale, bias };
    return [...scaleAccumulator(acc, n, scales)];
  };
  const columns = (all: number[], gate: number): number[] =>
    Array.from({ length: BATCH * UNITS }, (_, i) => {
      return all[Math.floor(i / UNITS) * 3 * UNITS + gate * UNITS + (i % UNITS)]!;
    });
  const x = linear("fc_gate_x", seen.get("fc_gate_x/input")!, "fc_gate_x/input");
  const hidden = linear("fc_gate_h", seen.get("start")!, "eltwiseadd_hidden/output");
  const reset = linear(
    "fc_gate_h",
    seen.get("eltwisemult_reset/output")!,
    "eltwisemult_reset/output",
  );
  const sums = (a: number[], b: number[], gate: number, path: string): number[] =>
    columns(a, gate).map((v, i) => codeOf(Math.fround(v + columns(b, gate)[i]!), grid(path)));
  return {
    "act_r/input": sums(x, hidden, 0, "act_r/input"),
    "act_z/input": sums(x, hidden, 1, "act_z/input"),
    "act_n/input": sums(x, reset, 2, "act_n/input"),
  };
}

describeBackends("the products of a GRU that resets before", () => {
  it.each([false, true])("are core's integer products to the bit, by channel %s", (perChannel) => {
    const layer = gru({ quant_per_channel: perChannel }, { resetAfter: false });
    const x = input();
    calibrate(layer, x);
    tf.tidy(() => {
      for (const [name, variable] of variablesOf(layer)) {
        if (name.endsWith("bias")) {
          variable.assign(tf.randomUniform(variable.shape, -1, 1, "float32", 6));
        }
      }
      const start = tf.randomUniform<tf.Rank.R2>([BATCH, UNITS], -1, 1, "float32", 5);
      const hidden = layer
        .allLayers()
        .flatMap((l) => [...l.quantizers.values()])
        .filter((quantizer) => quantizer instanceof ClipQuantizer)
        .find(({ path }) => path.endsWith("eltwiseadd_hidden/output"))!;
      const seen = new Map([["start", [...hidden.codes(start).dataSync()]]]);
      const onCodes = (path: string, codes: tf.Tensor): void => {
        seen.set(path.slice("gru/cells/0/".length), [...codes.dataSync()]);
      };
      const step = tf.slice(x, [0], [1]);
      withPass({ products: "codes", onCodes }, (pass) =>
        layer.run(step, pass, { start: [[start]] }),
      );
      for (const [path, codes] of Object.entries(coreStep(layer, seen))) {
        expect([path, seen.get(path)]).toEqual([path, codes]);
        // Of many values, not all at one end.
        expect(new Set(codes).size).toBeGreaterThan(BATCH * 2);
      }
    });
    x.dispose();
    layer.dispose();
  });

  it("multiply codes by codes, each of them, and quantize weights once", () => {
    for (const resetAfter of [true, false]) {
      const layer = gru({}, { resetAfter });
      const [x, records] = [input(), [] as ProductRecord[]];
      const onProduct = (record: ProductRecord): void => void records.push(record);
      const y = outputs(layer, x, { products: "codes", onProduct });
      // One for all inputs; for each step but the first one or two.
      expect(records.length).toBe(1 + (TIME - 1) * (resetAfter ? 1 : 2));
      for (const { left, right } of records) {
        expect([left?.scale == null, right?.scale == null]).toEqual([false, false]);
      }
      const kernels = new Set(records.slice(1).map(({ right }) => right!.weight));
      expect(kernels.size).toBe(resetAfter ? 1 : 2);
      tf.dispose([x, y]);
      layer.dispose();
    }
  });

  it("leave nothing behind", () => {
    const layer = gru({ quant_per_channel: true }, { resetAfter: false });
    const x = input();
    const before = tf.memory().numTensors;
    for (const products of ["values", "codes"] as const) outputs(layer, x, { products }).dispose();
    expect(tf.memory().numTensors).toBe(before);
    x.dispose();
    layer.dispose();
  });
});
