import * as tf from "@tensorflow/tfjs";
import { beforeAll, describe, expect, it } from "vitest";
import { selectBackend } from "../../src/backends/select.ts";
import { CrossAttention, SelfAttention } from "../../src/layers/attention.ts";
import { QuantDense } from "../../src/layers/dense.ts";
import { TokenEmbedding } from "../../src/layers/embedding.ts";
import { FeedForward } from "../../src/layers/feed-forward.ts";
import { LayerNorm } from "../../src/layers/layer-norm.ts";
import { MultiHeadDense } from "../../src/layers/multi-head-dense.ts";
import { PositionEmbedding } from "../../src/layers/position-embedding.ts";
import { PrePostWrapper } from "../../src/layers/pre-post-wrapper.ts";
import type { QuantLayer, QuantLayerArgs } from "../../src/layers/quant-layer.ts";
import { registerLayers } from "../../src/layers/register.ts";
import { TransformerDecoder } from "../../src/layers/transformer-decoder.ts";
import { TransformerEncoder } from "../../src/layers/transformer-encoder.ts";
import { resolveQuantConfig, toQuantParams } from "../../src/quant/config.ts";
import { expectFlatMemory } from "../helpers/backend-variants.ts";
import { saveAndLoad } from "../helpers/host-models.ts";

beforeAll(async () => {
  await selectBackend("cpu");
  registerLayers();
});

const quantConfig = resolveQuantConfig({
  quant_weight_bits: 4,
  quant_weight_clip_max: 0.4,
  quant_act_clip_max: 1,
  overrides: [{ match: "**/kernel_of_no_layer_0/**", enable: false }],
});

const tightOutputs = resolveQuantConfig({
  ...toQuantParams(quantConfig),
  overrides: [
    { match: "gradient_SelfAttention/output", quant_act_clip_max: 0.1 },
    { match: "gradient_SelfAttention/output_transform/output", quant_act_clip_max: 0.02 },
  ],
});

type Make = (args: QuantLayerArgs) => QuantLayer;
/** Layers over [batch, 4, 6] float inputs. */
const LAYERS: [string, Make][] = [
  ["QuantDense", (args) => new QuantDense({ ...args, units: 5, activation: "relu" })],
  ["MultiHeadDense", (args) => new MultiHeadDense({ ...args, units: 6, numHeads: 2, parts: 3 })],
  ["SelfAttention", (args) => new SelfAttention({ ...args, units: 6, numHeads: 2 })],
  ["FeedForward", (args) => new FeedForward({ ...args, filterSize: 7, dropoutRate: 0.1 })],
  ["LayerNorm", (args) => new LayerNorm(args)],
  ["PositionEmbedding", (args) => new PositionEmbedding({ ...args, timing: "emb" })],
  [
    "PrePostWrapper",
    (args) =>
      new PrePostWrapper({
        ...args,
        layer: new FeedForward({ ...args, name: `${args.name!}/ffn`, filterSize: 7 }),
      }),
  ],
];

function sequential(make: Make, args: QuantLayerArgs): tf.Sequential {
  const layer = make({ ...args, inputShape: [4, 6] });
  return tf.sequential({ layers: [layer] });
}

describe.each(LAYERS)("%s in a host model", (kind, make) => {
  const x = (): tf.Tensor => tf.randomNormal([3, 4, 6], 0, 1, "float32", 7);

  it.each([
    ["float", null],
    ["quantized", quantConfig],
  ])("has the shape that it announces, saves and loads to the bit, %s", async (_, config) => {
    const model = sequential(make, { name: `saved_${kind}`, quantConfig: config });
    const input = x();
    const y = model.predict(input) as tf.Tensor;
    expect(y.shape.slice(1)).toEqual(model.outputs[0]!.shape.slice(1));
    const loaded = await saveAndLoad(model);
    const again = loaded.predict(input) as tf.Tensor;
    expect([...again.dataSync()]).toEqual([...y.dataSync()]);
    expect((loaded.layers.at(-1) as unknown as QuantLayer).quantConfig).toEqual(config);
    expect(loaded.weights.map((w) => w.originalName)).toEqual(
      model.weights.map((w) => w.originalName),
    );
    tf.dispose([input, y, again]);
    model.dispose();
    loaded.dispose();
  });

  it("has no further weights in float", () => {
    const model = sequential(make, { name: `float_${kind}` });
    expect(model.weights.filter((w) => w.originalName.endsWith("_clip_max"))).toEqual([]);
    model.dispose();
  });

  it("gives every trainable weight a gradient, clips included", () => {
    // A mean of clipped values stays below their clip, so what follows it needs a smaller one.
    const layer = make({ name: `gradient_${kind}`, quantConfig: tightOutputs });
    const input = tf.mul(x(), 3);
    tf.dispose(layer.apply(input) as tf.Tensor);
    const variables = [...layer.allLayers()].flatMap((inner) => [
      ...inner.namedVariables().values(),
    ]);
    const f = (): tf.Scalar =>
      tf.sum(tf.square((layer.apply(input, { training: true }) as tf.Tensor).add(0.3)));
    const { value, grads } = tf.variableGrads(f, variables);
    const dead = variables.filter((v) => tf.sum(tf.abs(grads[v.name]!)).dataSync()[0] === 0);
    expect(dead.map((v) => v.name)).toEqual([]);
    tf.dispose([value, grads, input]);
    layer.dispose();
  });

  it("is trained by model.fit", async () => {
    const model = sequential(make, { name: `fit_${kind}`, quantConfig });
    model.compile({ optimizer: tf.train.adam(0.01), loss: "meanSquaredError" });
    const input = x();
    const target = tf.zeros([3, ...(model.outputs[0]!.shape.slice(1) as number[])]);
    const history = await model.fit(input, target, { epochs: 8 });
    const loss = history.history["loss"] as number[];
    expect(loss.at(-1)).toBeLessThan(loss[0]!);
    tf.dispose([input, target]);
    model.dispose();
  });

  it("leaks nothing, and frees everything", () => {
    const input = x();
    expectFlatMemory(() => {
      const layer = make({ name: `leak_${kind}`, quantConfig });
      tf.dispose(layer.apply(input) as tf.Tensor);
      tf.dispose(layer.apply(input) as tf.Tensor);
      layer.dispose();
    });
    input.dispose();
  });
});

describe("the stacks", () => {
  const args = {
    ...{ numLayers: 1, hiddenSize: 6, numHeads: 2, filterSize: 8, activation: "relu" as const },
    ...{ attentionDropoutRate: 0, ffnDropoutRate: 0, postprocessDropoutRate: 0, epsilon: 1e-6 },
    quantConfig,
  };
  it.each([false, true])("save and load to the bit, post-norm %s", async (postNormalize) => {
    const [source, target] = [tf.input({ shape: [5, 6] }), tf.input({ shape: [4, 6] })];
    const encoder = new TransformerEncoder({ ...args, postNormalize, monotonic: false });
    const memory = encoder.apply(source) as tf.SymbolicTensor;
    const decoder = new TransformerDecoder({ ...args, postNormalize });
    const output = decoder.apply([target, memory]) as tf.SymbolicTensor;
    const model = tf.model({ inputs: [source, target], outputs: output });
    const inputs = [
      tf.randomNormal([2, 5, 6], 0, 1, "float32", 3),
      tf.randomNormal([2, 4, 6], 0, 1, "float32", 4),
    ];
    const y = model.predict(inputs) as tf.Tensor;
    const loaded = await saveAndLoad(model);
    const again = loaded.predict(inputs) as tf.Tensor;
    expect(y.shape).toEqual([2, 4, 6]);
    expect([...again.dataSync()]).toEqual([...y.dataSync()]);
    tf.dispose([...inputs, y, again]);
    model.dispose();
    loaded.dispose();
  });
});

describe("layers with other inputs", () => {
  it("embeds tokens", async () => {
    const layer = new TokenEmbedding({ vocabSize: 9, dim: 4, quantConfig, inputShape: [3] });
    const model = tf.sequential({ layers: [layer] });
    const ids = tf.tensor2d([[1, 8, 0]], [1, 3], "int32");
    const y = model.predict(ids) as tf.Tensor;
    const loaded = await saveAndLoad(model);
    const again = loaded.predict(ids) as tf.Tensor;
    expect(y.shape).toEqual([1, 3, 4]);
    expect([...again.dataSync()]).toEqual([...y.dataSync()]);
    tf.dispose([ids, y, again]);
    model.dispose();
    loaded.dispose();
  });

  it("attends to a memory of another width", async () => {
    const [query, memory] = [tf.input({ shape: [4, 6] }), tf.input({ shape: [5, 8] })];
    const layer = new CrossAttention({ units: 6, numHeads: 2, quantConfig, name: "cross" });
    const output = layer.apply([query, memory]) as tf.SymbolicTensor;
    const model = tf.model({ inputs: [query, memory], outputs: output });
    const inputs = [tf.ones([2, 4, 6]), tf.ones([2, 5, 8])];
    const y = model.predict(inputs) as tf.Tensor;
    const loaded = await saveAndLoad(model);
    const again = loaded.predict(inputs) as tf.Tensor;
    expect(y.shape).toEqual([2, 4, 6]);
    expect([...again.dataSync()]).toEqual([...y.dataSync()]);
    tf.dispose([...inputs, y, again]);
    model.dispose();
    loaded.dispose();
  });
});
