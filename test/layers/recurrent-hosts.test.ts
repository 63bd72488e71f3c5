import * as tf from "@tensorflow/tfjs";
import { beforeAll, describe, expect, it } from "vitest";
import { selectBackend } from "../../src/backends/select.ts";
import { BahdanauAttention } from "../../src/layers/bahdanau-attention.ts";
import {
  BatchMatmul,
  Concat,
  EltwiseAdd,
  EltwiseMult,
  QuantActivation,
} from "../../src/layers/elementwise.ts";
import { GnmtDecoder } from "../../src/layers/gnmt-decoder.ts";
import { GnmtEncoder } from "../../src/layers/gnmt-encoder.ts";
import { QuantGRUCell } from "../../src/layers/gru-cell.ts";
import { QuantGRU } from "../../src/layers/gru.ts";
import { QuantLSTMCell } from "../../src/layers/lstm-cell.ts";
import { QuantLSTM } from "../../src/layers/lstm.ts";
import type { QuantLayer } from "../../src/layers/quant-layer.ts";
import { type QuantLayerArgs } from "../../src/layers/quant-layer.ts";
import { registerLayers } from "../../src/layers/register.ts";
import { type QuantConfig, resolveQuantConfig } from "../../src/quant/config.ts";
import { withPass } from "../../src/quant/pass.ts";
import { expectFlatMemory } from "../helpers/backend-variants.ts";
import { saveAndLoad } from "../helpers/host-models.ts";

beforeAll(async () => {
  await selectBackend("cpu");
  registerLayers();
});

const quantConfig = resolveQuantConfig({
  quant_weight_clip_max: 0.3,
  quant_act_clip_max: 0.5,
  overrides: [{ match: "**/eltwiseadd_cell", quant_cell_bits: 12 }],
});

type Args = QuantLayerArgs & { name: string };
type Layer = tf.layers.Layer;

/** The host takes every object with its cells' members, whatever its class. */
function hosted(
  cell: QuantLSTMCell | QuantGRUCell,
  options: { name: string; returnSequences?: boolean },
): Layer {
  return tf.layers.rnn({ ...options, cell: cell as never });
}

/** Layers over [batch, 4, 6], and the shape of what they return. */
const LAYERS: [string, (args: Args) => Layer, number[]][] = [
  ["QuantLSTM", (args) => new QuantLSTM({ ...args, units: 5, numLayers: 2 }), [4, 5]],
  [
    "QuantLSTM in two directions",
    (args) => new QuantLSTM({ ...args, units: 3, bidirectional: true }),
    [4, 6],
  ],
  [
    "QuantLSTM with residuals, last step",
    (args) =>
      new QuantLSTM({ ...args, units: 6, numLayers: 2, residualFrom: 1, returnSequences: false }),
    [6],
  ],
  [
    "QuantLSTM with hard gates",
    (args) => new QuantLSTM({ ...args, units: 3, recurrentActivation: "hardSigmoid" }),
    [4, 3],
  ],
  ["QuantGRU", (args) => new QuantGRU({ ...args, units: 3, numLayers: 2 }), [4, 3]],
  [
    "QuantGRU that resets before",
    (args) => new QuantGRU({ ...args, units: 3, bidirectional: true, resetAfter: false }),
    [4, 6],
  ],
  [
    "QuantLSTMCell in tf.layers.rnn",
    ({ name, ...args }) =>
      hosted(new QuantLSTMCell({ ...args, name: `${name}/cell`, units: 3 }), {
        name,
        returnSequences: true,
      }),
    [4, 3],
  ],
  [
    "QuantGRUCell in tf.layers.rnn",
    ({ name, ...args }) =>
      hosted(new QuantGRUCell({ ...args, name: `${name}/cell`, units: 3 }), { name }),
    [3],
  ],
  ["GnmtEncoder", (args) => new GnmtEncoder({ ...args, units: 6, numLayers: 3 }), [4, 6]],
  ["QuantActivation", (args) => new QuantActivation({ ...args, activation: "sigmoid" }), [4, 6]],
];

const input = (): tf.Tensor => tf.randomNormal([8, 4, 6], 0, 3, "float32", 7);

/**
 * Sets every clip amid the magnitudes that it clips: so that something lies on both sides, and every
 * clip and every weight has a gradient. A clip changes what comes to the next, hence the repetitions.
 */
function clipAmid(layer: Layer, x: tf.Tensor): void {
  const { cell } = layer as unknown as { cell?: QuantLSTMCell | QuantGRUCell };
  const inner = cell ?? (layer as unknown as QuantLayer);
  const quantizers = inner.allLayers().flatMap((l) => [...l.quantizers.values()]);
  const variables = new Map(inner.allLayers().flatMap((l) => [...l.namedVariables()]));
  for (let repetition = 0; repetition < 6; repetition++) {
    const seen = new Map<string, number[]>();
    const observe = (path: string, values: tf.Tensor): void => {
      seen.set(path, [...(seen.get(path) ?? []), ...tf.abs(values).dataSync()]);
    };
    withPass({ observe }, (pass) => {
      tf.tidy(() => {
        for (const { path, kind } of quantizers) {
          if (kind === "weight") observe(path, variables.get(path)!);
        }
        const states = (cell?.stateSize ?? []).map((units) => tf.zeros([x.shape[0], units]));
        const first = tf.reshape(tf.slice(x, [0, 0], [-1, 1]), [x.shape[0], -1]);
        inner.call(cell === undefined ? x : [first, ...states], { pass });
      });
    });
    for (const [path, magnitudes] of seen) {
      const sorted = magnitudes.sort((a, b) => a - b);
      // A large cell state makes a large hidden state, whose clip must let its gradient through.
      const share = path.includes("_hidden/") ? 0.8 : 0.6;
      const clip = tf.scalar(sorted[Math.floor(sorted.length * share)]! * 0.98);
      variables.get(`${path}_clip_max`)!.assign(clip);
      clip.dispose();
    }
  }
}

describe.each(LAYERS)("%s", (_, make, shape) => {
  const layerName = "outer/layer";
  const model = (config: QuantConfig | null): tf.Sequential =>
    tf.sequential({
      layers: [
        tf.layers.inputLayer({ inputShape: [4, 6] }),
        make({ name: layerName, quantConfig: config }),
      ],
    });

  it.each([
    ["float", null],
    ["quantized", quantConfig],
  ])("has the shape that it announces, saves and loads to the bit, %s", async (_, config) => {
    const saved = model(config);
    const x = input();
    const y = saved.predict(x) as tf.Tensor;
    expect(saved.outputs[0]!.shape).toEqual([null, ...shape]);
    expect(y.shape).toEqual([8, ...shape]);
    const loaded = await saveAndLoad(saved);
    const again = loaded.predict(x) as tf.Tensor;
    expect([...again.dataSync()]).toEqual([...y.dataSync()]);
    const names = saved.weights.map((w) => w.originalName);
    expect(loaded.weights.map((w) => w.originalName)).toEqual(names);
    expect(names.some((name) => name.endsWith("_clip_max"))).toBe(config !== null);
    tf.dispose([x, y, again]);
    saved.dispose();
    loaded.dispose();
  });

  it("gives every trainable weight a gradient, clips included", () => {
    const layer = make({ name: layerName, quantConfig });
    const x = input();
    tf.dispose(layer.apply(x) as tf.Tensor);
    clipAmid(layer, x);
    const variables = layer.trainableWeights.map((w) => w.read() as unknown as tf.Variable);
    expect(variables.length).toBeGreaterThan(0);
    const f = (): tf.Scalar =>
      tf.sum(tf.square((layer.apply(x, { training: true }) as tf.Tensor).add(0.3)));
    const { value, grads } = tf.variableGrads(f, variables);
    const dead = variables.filter((v) => tf.sum(tf.abs(grads[v.name]!)).dataSync()[0] === 0);
    expect(dead.map((v) => v.name)).toEqual([]);
    tf.dispose([value, grads, x]);
    layer.dispose();
  });

  it("is trained by model.fit", async () => {
    const trained = model(quantConfig);
    trained.compile({ optimizer: tf.train.adam(0.01), loss: "meanSquaredError" });
    const x = input();
    const target = tf.fill([8, ...shape], 0.05);
    const history = await trained.fit(x, target, { epochs: 6 });
    const loss = history.history["loss"] as number[];
    expect(loss.at(-1)).toBeLessThan(loss[0]!);
    tf.dispose([x, target]);
    trained.dispose();
  });

  it("has its weights once where it is used twice", () => {
    const layer = make({ name: layerName, quantConfig });
    const inputs = [tf.input({ shape: [4, 6] }), tf.input({ shape: [4, 6] })];
    const outputs = inputs.map((x) => layer.apply(x) as tf.SymbolicTensor);
    const shared = tf.model({ inputs, outputs });
    expect(shared.weights.length).toBe(layer.weights.length);
    const x = input();
    const [a, b] = shared.predict([x, x]) as [tf.Tensor, tf.Tensor];
    expect([...a.dataSync()]).toEqual([...b.dataSync()]);
    layer.trainable = false;
    expect(layer.trainableWeights).toEqual([]);
    expect(shared.trainableWeights).toEqual([]);
    tf.dispose([x, a, b]);
    shared.dispose();
  });

  it("leaks nothing, and frees everything", () => {
    const x = input();
    expectFlatMemory(() => {
      const layer = make({ name: layerName, quantConfig });
      tf.dispose(layer.apply(x) as tf.Tensor);
      tf.dispose(layer.apply(x) as tf.Tensor);
      const { numDisposedVariables } = layer.dispose();
      expect(numDisposedVariables).toBe(layer.weights.length);
    });
    x.dispose();
  });
});

describe("cells under the host", () => {
  it("give what our own layers give", () => {
    const args = { name: "same", units: 3, quantConfig };
    const x = input();
    for (const [layer, cell] of [
      [new QuantLSTM(args), new QuantLSTMCell({ ...args, name: "cell" })],
      [new QuantGRU(args), new QuantGRUCell({ ...args, name: "cell" })],
      [
        new QuantGRU({ ...args, resetAfter: false }),
        new QuantGRUCell({ ...args, name: "cell", resetAfter: false }),
      ],
    ] as const) {
      const rnn = hosted(cell, { name: "host", returnSequences: true });
      const [ours, theirs] = [layer.apply(x) as tf.Tensor, rnn.apply(x) as tf.Tensor];
      rnn.setWeights(layer.getWeights());
      const again = rnn.apply(x) as tf.Tensor;
      const expected = ours.dataSync();
      again.dataSync().forEach((v, i) => {
        expect(Math.abs(v - expected[i]!)).toBeLessThan(1e-6);
      });
      tf.dispose([ours, theirs, again]);
      layer.dispose();
      rnn.dispose();
    }
    x.dispose();
  });

  it("are stacked by the host, and take its initial states", async () => {
    const cell = (name: string): never =>
      new QuantLSTMCell({ name, units: 3, quantConfig }) as never;
    const rnn = tf.layers.rnn({ cell: [cell("a"), cell("b")], returnState: true });
    const x = tf.input({ shape: [4, 6] });
    const outputs = rnn.apply(x) as tf.SymbolicTensor[];
    const model = tf.model({ inputs: x, outputs });
    const values = input();
    const [y, ...states] = model.predict(values) as tf.Tensor[];
    expect(states.map((state) => state.shape)).toEqual(Array(4).fill([8, 3]));
    expect([...states[0]!.dataSync()]).toEqual([...y!.dataSync()]);
    const loaded = await saveAndLoad(model);
    const again = loaded.predict(values) as tf.Tensor[];
    expect([...again[0]!.dataSync()]).toEqual([...y!.dataSync()]);
    tf.dispose([values, y!, ...states, ...again]);
    model.dispose();
    loaded.dispose();
  });
});

describe("what our layers do not take from the host", () => {
  it.each(["goBackwards", "returnState", "stateful"])("%s is refused by name", (option) => {
    const args = { name: "rnn", units: 3, [option]: true };
    expect(() => new QuantLSTM(args)).toThrow(`rnn: expected no ${option}, received true`);
    expect(() => new QuantGRU({ ...args, [option]: false })).not.toThrow();
  });

  it("tf.layers.bidirectional is refused: it would run both ways forwards", () => {
    const layer = new QuantLSTM({ name: "rnn", units: 3 });
    expect(() => tf.layers.bidirectional({ layer: layer as never })).toThrow(
      /expected no goBackwards, received true\. Use bidirectional: true/,
    );
  });

  it("masks are refused", () => {
    const rnn = new QuantLSTM({ name: "rnn", units: 3 });
    const model = tf.sequential({
      layers: [
        tf.layers.embedding({ inputDim: 5, outputDim: 2, inputLength: 3, maskZero: true }),
        rnn,
      ],
    });
    const ids = tf.tensor2d([[1, 2, 0]]);
    expect(() => model.predict(ids)).toThrow(/rnn: expected inputs without a mask, received one/);
    ids.dispose();
    model.dispose();
  });
});

/** Layers of two inputs, [batch, 4, 6] and [batch, 5, 6] or the shape given. */
const PAIRS: [string, (args: Args) => Layer, number[], number[]][] = [
  ["EltwiseAdd", (args) => new EltwiseAdd(args), [4, 6], [4, 6]],
  ["EltwiseMult", (args) => new EltwiseMult(args), [4, 6], [4, 6]],
  ["Concat", (args) => new Concat(args), [4, 6], [4, 12]],
  ["BatchMatmul", (args) => new BatchMatmul(args), [6, 2], [4, 2]],
  ["BahdanauAttention", (args) => new BahdanauAttention({ ...args, units: 6 }), [5, 6], [4, 6]],
  [
    "GnmtDecoder",
    (args) => new GnmtDecoder({ ...args, units: 6, numLayers: 3, vocabSize: 7 }),
    [5, 6],
    [4, 7],
  ],
];

describe.each(PAIRS)("%s in a host model", (kind, make, other, shape) => {
  it.each([
    ["float", null],
    ["quantized", quantConfig],
  ])("saves and loads to the bit, %s", async (_, config) => {
    const layer = make({ name: `pair/${kind}`, quantConfig: config });
    const inputs = [tf.input({ shape: [4, 6] }), tf.input({ shape: other })];
    const outputs = layer.apply(inputs) as tf.SymbolicTensor;
    const model = tf.model({ inputs, outputs });
    const values = [input(), tf.randomNormal([8, ...other], 0, 1, "float32", 8)];
    const y = model.predict(values) as tf.Tensor;
    expect(outputs.shape).toEqual([null, ...shape]);
    expect(y.shape).toEqual([8, ...shape]);
    const loaded = await saveAndLoad(model);
    const again = loaded.predict(values) as tf.Tensor;
    expect([...again.dataSync()]).toEqual([...y.dataSync()]);
    tf.dispose([...values, y, again]);
    model.dispose();
    loaded.dispose();
  });
});
