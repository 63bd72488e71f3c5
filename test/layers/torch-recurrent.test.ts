import { readFileSync } from "node:fs";
import * as tf from "@tensorflow/tfjs";
import { describe, expect, it } from "vitest";
import { QuantGRU } from "../../src/layers/gru.ts";
import { QuantLSTM } from "../../src/layers/lstm.ts";
import type { CellStates } from "../../src/layers/recurrent-cell.ts";
import type { RecurrentResult, RecurrentStack } from "../../src/layers/recurrent-stack.ts";
import { assignTorchRecurrentWeights } from "../../src/layers/torch-recurrent-weights.ts";
import { timeSteps } from "../../src/ops/time-steps.ts";
import { withPass } from "../../src/quant/pass.ts";
import { describeVariants } from "../helpers/backend-variants.ts";

interface Values {
  readonly shape: number[];
  readonly data: number[];
}
interface Case {
  readonly name: string;
  readonly kind: "lstm" | "gru";
  readonly inputSize: number;
  readonly hiddenSize: number;
  readonly layers: number;
  readonly bidirectional: boolean;
  readonly lengths: number[] | null;
  readonly weights: Record<string, Values>;
  readonly inputs: Values;
  readonly initialH: Values | null;
  readonly initialC: Values | null;
  readonly output: Values;
  readonly finalH: Values;
  readonly finalC: Values | null;
  readonly factors: { output: Values; finalH: Values; finalC: Values | null };
  readonly loss: number;
  readonly gradients: {
    inputs: Values;
    initialH: Values | null;
    initialC: Values | null;
    weights: Record<string, Values>;
  };
}

const { cases } = JSON.parse(
  readFileSync(new URL("../fixtures/layers/recurrent.json", import.meta.url), "utf8"),
) as { cases: Case[] };

function tensorOf({ data, shape }: Values): tf.Tensor {
  return tf.tensor(data, shape, "float32");
}

/** float32 sums of tens of terms, over 6 steps. */
function expectClose(found: tf.Tensor, expected: Values): void {
  expect(found.shape).toEqual(expected.shape);
  const values = found.dataSync();
  const worst = Math.max(...expected.data.map((v, i) => Math.abs(v - values[i]!)));
  expect(worst).toBeLessThan(1e-5);
}

function layerOf({ kind, inputSize, hiddenSize, layers, bidirectional, weights }: Case): {
  layer: RecurrentStack;
  variables: Map<string, tf.Variable>;
} {
  const args = { name: "rnn", units: hiddenSize, numLayers: layers, bidirectional };
  const layer = kind === "lstm" ? new QuantLSTM(args) : new QuantGRU(args);
  layer.build([null, null, inputSize]);
  assignTorchRecurrentWeights(layer, new Map(Object.entries(weights)));
  const variables = new Map(layer.allLayers().flatMap((inner) => [...inner.namedVariables()]));
  return { layer, variables };
}

/** [layers · directions, batch, units] to what `run` takes, and back. */
function cellStates(h: tf.Tensor3D, c: tf.Tensor3D | null): CellStates[] {
  const cells = c === null ? null : timeSteps(c);
  return timeSteps(h).map((hidden, i) => (cells === null ? [hidden] : [hidden, cells[i]!]));
}

function run(layer: RecurrentStack, given: Case, inputs: tf.Tensor[]): RecurrentResult {
  const [x, h, c] = inputs as [tf.Tensor3D, tf.Tensor3D?, tf.Tensor3D?];
  const lengths = given.lengths === null ? null : tf.tensor1d(given.lengths, "int32");
  const start = h === undefined ? null : cellStates(h, c ?? null);
  return withPass({ training: true }, (pass) =>
    layer.run(tf.transpose(x, [1, 0, 2]), pass, { lengths, start, wantsStates: true }),
  );
}

/** Output [batch, time, …] and the final states, as PyTorch returns them. */
function results({ outputs, states }: RecurrentResult): tf.Tensor[] {
  const final = states[0]!.map((_, i) => tf.stack(states.map((state) => state[i]!)));
  return [tf.transpose(outputs, [1, 0, 2]), ...final];
}

/** Where PyTorch's weight has its place; its transpose, if it is a kernel. */
function placeOf(name: string): { path: string; isKernel: boolean } {
  const [, what, part, k, reverse] = /^(weight|bias)_(ih|hh)_l(\d+)(_reverse)?$/.exec(name)!;
  const isKernel = what === "weight";
  const cells = reverse === undefined ? "cells" : "cells_reverse";
  const gate = part === "ih" ? "fc_gate_x" : "fc_gate_h";
  return { path: `rnn/${cells}/${k}/${gate}/${isKernel ? "kernel" : "bias"}`, isKernel };
}

describeVariants("PyTorch's recurrent layers", () => {
  describe.each(cases)("$name", (given) => {
    const states = [given.initialH, given.initialC].filter((v) => v !== null);
    const factors = [given.factors.output, given.factors.finalH, given.factors.finalC].filter(
      (v) => v !== null,
    );

    it("give the same outputs and final states", () => {
      const { layer } = layerOf(given);
      tf.tidy(() => {
        const inputs = [given.inputs, ...states].map((values) => tensorOf(values));
        const found = results(run(layer, given, inputs));
        const expected = [given.output, given.finalH, given.finalC].filter((v) => v !== null);
        expect(found.length).toBe(expected.length);
        expected.forEach((values, i) => {
          expectClose(found[i]!, values);
        });
      });
      layer.dispose();
    });

    it("give the same gradients of inputs, initial states and weights", () => {
      const { layer, variables } = layerOf(given);
      tf.tidy(() => {
        const inputs = [given.inputs, ...states].map((values) => tf.variable(tensorOf(values)));
        const loss = (): tf.Scalar => {
          const found = results(run(layer, given, inputs));
          const terms = factors.map((f, i) => tf.sum(tf.mul(found[i]!, tensorOf(f))));
          return tf.addN(terms) as tf.Scalar;
        };
        const { value, grads } = tf.variableGrads(loss, [...inputs, ...variables.values()]);
        expect(Math.abs(value.dataSync()[0]! - given.loss)).toBeLessThan(1e-5);
        const { gradients } = given;
        const expected = [gradients.inputs, gradients.initialH, gradients.initialC];
        inputs.forEach((input, i) => {
          expectClose(grads[input.name]!, expected[i]!);
        });
        const names = Object.entries(gradients.weights);
        expect(names.length).toBe(variables.size);
        for (const [name, values] of names) {
          const { path, isKernel } = placeOf(name);
          const found = grads[variables.get(path)!.name]!;
          expectClose(isKernel ? tf.transpose(found) : found, values);
        }
        tf.dispose(inputs);
      });
      layer.dispose();
    });
  });
});

describe("weights that do not fit", () => {
  const weights = new Map(Object.entries(cases[0]!.weights));
  const sizes = { name: "rnn", units: cases[0]!.hiddenSize };
  const assign = (
    given: ReadonlyMap<string, Values>,
    make: () => RecurrentStack = () => new QuantLSTM(sizes),
    prefix = "",
  ): void => {
    const layer = make();
    layer.build([null, null, cases[0]!.inputSize]);
    try {
      assignTorchRecurrentWeights(layer, given, prefix);
    } finally {
      layer.dispose();
    }
  };
  const renamed = (prefix: string): Map<string, Values> =>
    new Map([...weights].map(([name, values]) => [prefix + name, values]));
  const without = (...names: string[]): Map<string, Values> =>
    new Map([...weights].filter(([name]) => !names.includes(name)));

  it.each([
    ["a projection", new Map([...weights, ["weight_hr_l0", weights.get("bias_ih_l0")!]])],
    ["another layer", new Map([...weights, ["weight_ih_l1", weights.get("weight_ih_l0")!]])],
  ])("are named: %s", (_, given) => {
    expect(() => {
      assign(given);
    }).toThrow(
      /weights for rnn: expected one of "weight_ih_l0", .* received "weight_(hr_l0|ih_l1)"/,
    );
  });

  it("are named where one is missing, or all", () => {
    expect(() => {
      assign(without("bias_hh_l0"));
    }).toThrow(/weights for rnn: expected "bias_hh_l0", received 3 others/);
    expect(() => {
      assign(renamed("rnn."));
    }).toThrow(/received "rnn\.weight_ih_l0"/);
    expect(() => {
      assign(weights, undefined, "decoder.");
    }).toThrow(/expected "decoder\.weight_ih_l0", received 4 others/);
  });

  it("are named by shape", () => {
    expect(() => {
      assign(weights, () => new QuantLSTM({ ...sizes, units: 3 }));
    }).toThrow(
      /rnn\/cells\/0\/fc_gate_x\/kernel: expected weights of shape \[5, 12\], received \[5, 16\]/,
    );
  });

  it("are refused by a layer that computes something else, or is not built", () => {
    expect(() => {
      assign(weights, () => new QuantGRU({ ...sizes, resetAfter: false }));
    }).toThrow(/rnn: expected resetAfter: true, which nn\.GRU computes, received false/);
    expect(() => {
      assignTorchRecurrentWeights(new QuantLSTM(sizes), weights);
    }).toThrow(/rnn: expected a layer that is built/);
  });

  it("fit with a prefix, beside others, and without biases", () => {
    const others: [string, Values] = ["decoder.weight", { shape: [1], data: [0] }];
    assign(new Map([...renamed("rnn."), others]), undefined, "rnn.");
    const layer = new QuantLSTM(sizes);
    layer.build([null, null, cases[0]!.inputSize]);
    assignTorchRecurrentWeights(layer, without("bias_ih_l0", "bias_hh_l0"));
    const variables = layer.allLayers().flatMap((inner) => [...inner.namedVariables()]);
    const biases = variables.filter(([name]) => name.endsWith("bias"));
    expect(biases.length).toBe(2);
    for (const [, bias] of biases) expect(bias.dataSync().every((v) => v === 0)).toBe(true);
    layer.dispose();
  });
});
