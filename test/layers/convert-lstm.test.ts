import * as tf from "@tensorflow/tfjs";
import { beforeAll, describe, expect, it } from "vitest";
import { selectBackend } from "../../src/backends/select.ts";
import { calibrateLayersModel } from "../../src/layers/calibrate-layers-model.ts";
import { convertLstm } from "../../src/layers/convert-lstm.ts";
import { QuantLSTMCell } from "../../src/layers/lstm-cell.ts";
import type { QuantLSTM } from "../../src/layers/lstm.ts";
import { registerLayers } from "../../src/layers/register.ts";
import { resolveQuantConfig } from "../../src/quant/config.ts";
import { saveAndLoad } from "../helpers/host-models.ts";

beforeAll(async () => {
  await selectBackend("cpu");
  registerLayers();
});

type RnnArgs = Omit<Parameters<typeof tf.layers.lstm>[0], "cell">;
type Gate = NonNullable<RnnArgs["recurrentActivation"]>;

const input = (): tf.Tensor => tf.randomNormal([3, 5, 4], 0, 2, "float32", 11);

/** Weights that reach the ends of the gates, biases included. */
function spread<M extends tf.LayersModel>(model: M): M {
  tf.tidy(() => {
    model.setWeights(
      model.weights.map(({ shape, originalName }, i) => {
        const values = tf.randomUniform(shape as number[], -1.5, 1.5, "float32", i + 1);
        return originalName.endsWith("variance") ? tf.abs(values) : values;
      }),
    );
  });
  return model;
}

/** The model's results and the converted model's, expected to agree; the given one is unchanged. */
function expectSame(model: tf.LayersModel, converted: tf.LayersModel, x = input()): void {
  const before = model.getWeights().map((w) => [...w.dataSync()]);
  const [y, z] = [model, converted].map((m) => [m.predict(x)].flat());
  expect(z!.map((t) => t.shape)).toEqual(y!.map((t) => t.shape));
  y!.forEach((expected, i) => {
    const found = z![i]!.dataSync();
    const worst = Math.max(...expected.dataSync().map((v, j) => Math.abs(v - found[j]!)));
    expect(worst).toBeLessThan(1e-5);
  });
  expect(model.getWeights().map((w) => [...w.dataSync()])).toEqual(before);
  tf.dispose([x, ...y!, ...z!]);
}

const inputShape = [5, 4];
const gates: Gate[] = ["sigmoid", "hardSigmoid"];

describe.each(gates)("with %s in the gates", (recurrentActivation) => {
  const args = { units: 3, recurrentActivation, biasInitializer: "glorotNormal" as const };
  const rnn = {
    lstm: (more: Partial<RnnArgs>) => tf.layers.lstm({ ...args, ...more }),
    gru: (more: Partial<RnnArgs>) => tf.layers.gru({ ...args, ...more }),
  };

  describe.each(["lstm", "gru"] as const)("tf.layers.%s", (kind) => {
    it.each([
      ["all steps", { returnSequences: true }],
      ["the last step", { returnSequences: false }],
      ["no bias", { useBias: false }],
    ])("gives the same results: %s", (_, more) => {
      const layer = rnn[kind]({ ...more, name: "rnn", inputShape });
      const model = spread(tf.sequential({ layers: [layer] }));
      const { model: converted, report } = withReport(model);
      expect(converted).toBeInstanceOf(tf.Sequential);
      expect(report.converted).toMatchObject([
        { name: "rnn", from: kind.toUpperCase(), units: 3, numLayers: 1, direction: "forward" },
      ]);
      expect(report.converted[0]!.to).toBe(kind === "lstm" ? "QuantLSTM" : "QuantGRU");
      expectSame(model, converted);
      model.dispose();
      converted.dispose();
    });

    it.each([true, false])("in two directions, all steps %s", (returnSequences) => {
      const layer = tf.layers.bidirectional({
        ...{ layer: rnn[kind]({ returnSequences }), mergeMode: "concat", name: "both" },
        inputShape,
      });
      const model = spread(tf.sequential({ layers: [layer] }));
      const { model: converted, report } = withReport(model);
      expect(report.converted).toMatchObject([{ name: "both", direction: "bidirectional" }]);
      expectSame(model, converted);
      model.dispose();
      converted.dispose();
    });

    it("stacked, between other layers, in a Sequential that trains and saves", async () => {
      const model = spread(
        tf.sequential({
          name: "stacked",
          layers: [
            tf.layers.dense({ units: 6, activation: "tanh", inputShape }),
            rnn[kind]({ returnSequences: true, name: "first" }),
            tf.layers.batchNormalization(),
            rnn[kind]({ name: "second" }),
            tf.layers.dense({ units: 2 }),
          ],
        }),
      );
      const { model: converted, report } = withReport(model);
      expect(report.converted.map(({ name }) => name)).toEqual(["first", "second"]);
      expect(converted.name).toBe("stacked");
      expectSame(model, converted);
      const loaded = await saveAndLoad(converted);
      expectSame(converted, loaded);
      const [x, y] = [input(), tf.zeros([3, 2])];
      converted.compile({ optimizer: "sgd", loss: "meanSquaredError" });
      const untrained = model.getWeights().map((w) => [...w.dataSync()]);
      await converted.fit(x, y, { epochs: 1 });
      expect(model.getWeights().map((w) => [...w.dataSync()])).toEqual(untrained);
      tf.dispose([x, y]);
      model.dispose();
      converted.dispose();
      loaded.dispose();
    });

    it("in a functional model with branches, a shared layer and a model inside", () => {
      const inner = tf.sequential({
        name: "inner",
        layers: [rnn[kind]({ returnSequences: true, name: "deep", inputShape: [5, 3] })],
      });
      const [a, b] = [
        tf.input({ shape: [5, 4], name: "a" }),
        tf.input({ shape: [5, 4], name: "b" }),
      ];
      const shared = rnn[kind]({ returnSequences: true, name: "shared" });
      const [left, right] = [a, b].map((x) => shared.apply(x) as tf.SymbolicTensor);
      const deep = inner.apply(left!) as tf.SymbolicTensor;
      const sum = tf.layers.add().apply([deep, right!]) as tf.SymbolicTensor;
      const last = rnn[kind]({ name: "last" }).apply(sum) as tf.SymbolicTensor;
      const model = spread(tf.model({ inputs: [a, b], outputs: [last, deep], name: "graph" }));
      const { model: converted, report } = withReport(model);
      expect(report.converted.map(({ name }) => name).sort()).toEqual(["deep", "last", "shared"]);
      expect(converted.inputs.map((t) => t.sourceLayer.name)).toEqual(["a", "b"]);
      const xs = [input(), tf.randomNormal([3, 5, 4], 0, 1, "float32", 12)];
      expectSame(model, converted, xs as never);
      expect(converted.weights.length).toBe(3 * 4);
      model.dispose();
      converted.dispose();
    });
  });

  it("cells of tf.layers.rnn", () => {
    const cell = (): ReturnType<typeof tf.layers.lstmCell> => tf.layers.lstmCell(args);
    const model = spread(
      tf.sequential({
        layers: [
          tf.layers.rnn({ cell: [cell(), cell()], returnSequences: true, name: "two", inputShape }),
          tf.layers.rnn({ cell: tf.layers.gruCell(args), name: "one" }),
        ],
      }),
    );
    const { model: converted, report } = withReport(model);
    expect(report.converted).toMatchObject([
      { name: "two", from: "RNN", to: "QuantLSTM", numLayers: 2 },
      { name: "one", from: "RNN", to: "QuantGRU", numLayers: 1 },
    ]);
    expectSame(model, converted);
    model.dispose();
    converted.dispose();
  });
});

function withReport(model: tf.LayersModel) {
  const { model: converted, ...report } = convertLstm(model);
  return { model: converted, report };
}

describe("a single layer", () => {
  it("is converted with its weights, and its settings", () => {
    const host = tf.layers.gru({ units: 3, name: "gru", returnSequences: true, trainable: false });
    const x = input();
    const y = host.apply(x) as tf.Tensor;
    const { layer, converted } = convertLstm(host);
    const z = layer.apply(x) as tf.Tensor;
    expect(converted).toMatchObject([{ name: "gru", to: "QuantGRU" }]);
    expect(layer.trainable).toBe(false);
    const found = z.dataSync();
    y.dataSync().forEach((v, i) => {
      expect(Math.abs(v - found[i]!)).toBeLessThan(1e-5);
    });
    tf.dispose([x, y, z]);
    host.dispose();
    layer.dispose();
  });

  it.each([
    [() => tf.layers.dense({ units: 2, name: "d" }), /received Dense "d": it is not recurrent/],
    [
      () => tf.layers.lstm({ units: 2, name: "l" }),
      /LSTM "l": it has no weights yet; build its model/,
    ],
  ])("is refused where it is none", (make, message) => {
    expect(() => convertLstm(make())).toThrow(message);
  });
});

/** What is left as it was, and what the report says about it. */
const SKIPPED: [string, () => tf.layers.Layer, string][] = [
  [
    "goBackwards",
    () => tf.layers.lstm({ units: 3, goBackwards: true, inputShape, name: "x" }),
    "x: LSTM left as it was: goBackwards is not supported; set it to false",
  ],
  [
    "stateful",
    () => tf.layers.gru({ units: 3, stateful: true, batchInputShape: [3, 5, 4], name: "x" }),
    "x: GRU left as it was: stateful is not supported; set it to false",
  ],
  [
    "another activation",
    () => tf.layers.lstm({ units: 3, activation: "relu", inputShape, name: "x" }),
    "x: LSTM left as it was: activation is relu; only tanh is supported",
  ],
  [
    "other gates",
    () => tf.layers.lstm({ units: 3, recurrentActivation: "tanh", inputShape, name: "x" }),
    "x: LSTM left as it was: recurrentActivation is tanh; only sigmoid and hardSigmoid are supported",
  ],
  [
    "another merge",
    () =>
      tf.layers.bidirectional({
        ...{
          layer: tf.layers.lstm({ units: 3 }),
          mergeMode: "sum",
          inputShape,
          name: "x",
        },
      }),
    "x: Bidirectional(LSTM) left as it was: mergeMode is sum; set it to concat",
  ],
  [
    "simpleRNN",
    () => tf.layers.simpleRNN({ units: 3, inputShape, name: "x" }),
    "x: SimpleRNN left as it was: SimpleRNNCell has no modular form",
  ],
  [
    "cells of several sizes",
    () =>
      tf.layers.rnn({
        cell: [tf.layers.gruCell({ units: 3 }), tf.layers.gruCell({ units: 2 })],
        ...{ inputShape, name: "x" },
      }),
    "x: RNN left as it was: its cells differ in kind, units, recurrentActivation or dropout; use a layer for each",
  ],
];

describe("what ours cannot stand for", () => {
  it.each(SKIPPED)("is copied and reported: %s", (_, make, line) => {
    const model = spread(tf.sequential({ layers: [make()] }));
    const { model: copy, report } = withReport(model);
    expect(report.text).toBe(`converted 0, left as they were 1\n${line}`);
    expect(report.skipped.map(({ name }) => name)).toEqual(["x"]);
    expectSame(model, copy);
    model.dispose();
    copy.dispose();
  });

  it("is a layer that returns or takes states", () => {
    const x = tf.input({ shape: [5, 4] });
    const first = tf.layers.lstm({ units: 3, returnState: true, name: "first" });
    const [, h, c] = first.apply(x) as tf.SymbolicTensor[];
    const second = tf.layers.lstm({ units: 3, name: "second" });
    const outputs = second.apply(x, { initialState: [h!, c!] }) as tf.SymbolicTensor;
    const model = spread(tf.model({ inputs: x, outputs }));
    const { model: copy, report } = withReport(model);
    expect(report.skipped.map(({ name, reason }) => `${name}: ${reason}`).sort()).toEqual([
      "first: returnState is not supported; set it to false",
      "second: it takes initial states; use run() of our layers with start",
    ]);
    expectSame(model, copy);
    model.dispose();
    copy.dispose();
  });

  it("is a layer behind one that makes masks", () => {
    const model = tf.sequential({
      layers: [
        tf.layers.embedding({
          inputDim: 5,
          outputDim: 4,
          inputLength: 5,
          maskZero: true,
          name: "ids",
        }),
        tf.layers.lstm({ units: 3, name: "x" }),
      ],
    });
    const { model: copy, report } = withReport(model);
    expect(report.skipped[0]!.reason).toMatch(/^"ids" makes masks, which reach every later layer/);
    expectSame(model, copy, tf.tensor2d([[1, 2, 3, 0, 0]]));
    model.dispose();
    copy.dispose();
  });

  it("is a model without recurrent layers", () => {
    const before = tf.memory().numTensors;
    const model = tf.sequential({
      name: "plain",
      layers: [tf.layers.dense({ units: 1, inputShape: [2] })],
    });
    expect(() => convertLstm(model)).toThrow(
      /expected a model with layers of LSTM or GRU, received "plain" without/,
    );
    model.dispose();
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe("what changes in training alone", () => {
  it("is told", () => {
    const model = tf.sequential({
      layers: [
        tf.layers.lstm({
          ...{ units: 3, dropout: 0.2, recurrentDropout: 0.1, useBias: false, inputShape },
          ...{ kernelRegularizer: "l1l2", name: "x" },
        }),
      ],
    });
    const { model: converted, report } = withReport(model);
    expect(report.text.split("\n")).toEqual([
      "converted 1, left as they were 0",
      "x: LSTM -> QuantLSTM, 3 units, forward",
      "  in training: dropout 0.2 drops inputs of each step anew; before, the same ones at all steps",
      "  in training: recurrentDropout 0.1 is left out",
      "  in training: kernelRegularizer is left out",
      "  in training: useBias was false; the biases start at zero and are trained",
    ]);
    expect((converted.layers[0] as unknown as QuantLSTM).args).toMatchObject({
      ...{ dropoutRate: 0.2, dropsFirstInput: true },
    });
    expectSame(model, converted);
    model.dispose();
    converted.dispose();
  });
});

describe("a quantized conversion", () => {
  it("is calibrated and then close to the float model, and trains", async () => {
    const model = spread(
      tf.sequential({
        layers: [
          tf.layers.bidirectional({
            layer: tf.layers.lstm({ units: 6, returnSequences: true }),
            ...{ mergeMode: "concat", inputShape, name: "lstm" },
          }),
          tf.layers.dropout({ rate: 0.5 }),
          tf.layers.gru({ units: 3, name: "gru" }),
        ],
      }),
    );
    const quantConfig = resolveQuantConfig({});
    const { model: converted } = convertLstm(model, { quantConfig });
    const clips = converted.weights
      .map((w) => w.originalName)
      .filter((name) => name.endsWith("_clip_max"));
    const batches = [input(), tf.randomNormal([8, 5, 4], 0, 2, "float32", 13)];
    const before = tf.memory().numTensors;
    expect(calibrateLayersModel(converted, batches).sort()).toEqual(clips.sort());
    expect(tf.memory().numTensors).toBe(before);
    const [y, z] = [model, converted].map((m) => m.predict(batches[1]!) as tf.Tensor);
    const found = z!.dataSync();
    const worst = Math.max(...y!.dataSync().map((v, i) => Math.abs(v - found[i]!)));
    expect(worst).toBeGreaterThan(0);
    expect(worst).toBeLessThan(0.1);
    converted.compile({ optimizer: tf.train.adam(0.01), loss: "meanSquaredError" });
    const history = await converted.fit(batches[1]!, y!, { epochs: 3 });
    expect(history.history["loss"]!.every((v) => Number.isFinite(v as number))).toBe(true);
    tf.dispose([...batches, y!, z!]);
    model.dispose();
    converted.dispose();
  });

  it("cannot be calibrated inside tf.layers.rnn", () => {
    const cell = new QuantLSTMCell({ name: "cell", units: 2, quantConfig: resolveQuantConfig({}) });
    const model = tf.sequential({
      layers: [tf.layers.rnn({ cell: cell as never, inputShape, name: "host" })],
    });
    expect(() => calibrateLayersModel(model, [])).toThrow(
      /calibrateLayersModel, "host": expected quantized layers, received tf\.layers\.rnn with a cell/,
    );
    model.dispose();
  });
});
