import * as tf from "@tensorflow/tfjs";
import { beforeAll, describe, expect, it } from "vitest";
import { selectBackend } from "../../src/backends/select.ts";
import { codeOf, gridOf, valueOf } from "../../src/core/affine.ts";
import { QuantDense } from "../../src/layers/dense.ts";
import { TokenEmbedding } from "../../src/layers/embedding.ts";
import { QuantLayer, type QuantLayerArgs } from "../../src/layers/quant-layer.ts";
import { resolveQuantConfig } from "../../src/quant/config.ts";
import { createPass, disposePass, withPass, type Pass } from "../../src/quant/pass.ts";
import { QUANT_STRATEGIES } from "../../src/quant/strategies.ts";

beforeAll(() => selectBackend("cpu"));

const quantConfig = resolveQuantConfig({ quant_weight_clip_max: 0.5, quant_act_clip_max: 2 });

/** A layer as a user writes it: three steps, no pass. */
class Scaled extends QuantLayer {
  static readonly className = "Scaled";
  #kernel!: tf.LayerVariable;

  override build(shape: tf.Shape): void {
    const initializer = tf.initializers.randomUniform({ minval: -1, maxval: 1, seed: 2 });
    this.#kernel = this.addWeight("kernel", [shape.at(-1)!, 3], "float32", initializer);
    this.addWeight("bias", [3], "float32", tf.initializers.ones());
    this.addActivationQuantizer("output", "relu");
    super.build(shape);
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return tf.tidy(() => {
      const x = [inputs].flat()[0]!;
      return this.quant(tf.relu(tf.matMul(x, this.quantWeight(this.#kernel))), "output");
    });
  }

  misuse(x: tf.Tensor): tf.Tensor {
    return this.quant(x, "outptu");
  }

  weight(pass: Pass): tf.Tensor {
    return this.quantWeight(this.#kernel, pass);
  }
}

function built(args: QuantLayerArgs): Scaled {
  const layer = new Scaled(args);
  layer.build([2, 4]);
  return layer;
}

describe("a user's QuantLayer", () => {
  it("quantizes its weights but not its bias, and its activation, as core does", () => {
    const layer = built({ name: "scope/scaled", quantConfig });
    expect([...layer.namedVariables().keys()]).toEqual([
      "scope/scaled/kernel",
      "scope/scaled/kernel_clip_max",
      "scope/scaled/bias",
      "scope/scaled/output_clip_max",
    ]);
    const kernel = [...layer.namedVariables().get("scope/scaled/kernel")!.dataSync()];
    const x = [0.7, -1.1, 0.2, 3, -0.4, 5, 0.1, 0.9];
    const input = tf.tensor2d(x, [2, 4]);
    const y = layer.apply(input) as tf.Tensor;
    const grid = gridOf("weight", 8, 0.5, "half_even");
    const w = kernel.map((v) => valueOf(codeOf(v, grid), grid));
    const out = gridOf("relu", 8, 2, "half_even");
    const expected = [0, 1].flatMap((row) =>
      [0, 1, 2].map((column) => {
        let sum = 0;
        for (let k = 0; k < 4; k++) sum += Math.fround(x[row * 4 + k]!) * w[k * 3 + column]!;
        return valueOf(codeOf(Math.max(Math.fround(sum), 0), out), out);
      }),
    );
    expect([...y.dataSync()]).toEqual(expected);
    tf.dispose([input, y]);
    layer.dispose();
  });

  it("shows its trained weight's codes and range", () => {
    const layer = built({ name: "shown", quantConfig });
    const view = layer.quantizedWeight("kernel");
    const grid = gridOf("weight", 8, 0.5, "half_even");
    const kernel = [...layer.namedVariables().get("shown/kernel")!.dataSync()];
    expect([...view.codes]).toEqual(kernel.map((v) => codeOf(v, grid)));
    expect(view).toMatchObject({ shape: [4, 3], bits: 8, axis: null });
    expect([view.scale[0], view.min[0], view.max[0], view.clipMax[0]]).toEqual([
      ...[grid.scale, grid.lowest, grid.highest, 0.5],
    ]);
    expect(() => layer.quantizedWeight("bias")).toThrow(/one of "kernel", received "bias"/);
    layer.dispose();
  });

  it("has neither variables nor operations of quantization in float", () => {
    const layer = built({ name: "float", quantConfig: null });
    expect([...layer.namedVariables().keys()]).toEqual(["float/kernel", "float/bias"]);
    withPass({}, (pass) => {
      expect(layer.weight(pass)).toBe(layer.namedVariables().get("float/kernel"));
    });
    layer.dispose();
  });

  it("refuses an activation name that it does not have, quantized or not", () => {
    for (const config of [quantConfig, null]) {
      const layer = built({ name: "named", quantConfig: config });
      const x = tf.scalar(1);
      expect(() => layer.misuse(x)).toThrow(/one of "output", received "outptu".*"output"\?/);
      x.dispose();
      layer.dispose();
    }
  });

  it("quantizes a weight once for each pass, and shows it as it is in the next", () => {
    const layer = built({ name: "once", quantConfig });
    const pass = createPass();
    const first = layer.weight(pass);
    expect(layer.weight(pass)).toBe(first);
    disposePass(pass);
    expect(first.isDisposed).toBe(true);
    withPass({ skipQuantization: true }, (floatPass) => {
      expect(layer.weight(floatPass)).toBe(layer.namedVariables().get("once/kernel"));
    });
    layer.dispose();
  });
});

describe("clips", () => {
  it("for each channel lie along the outputs of a kernel and the tokens of a table", () => {
    const perChannel = resolveQuantConfig({ quant_per_channel: true });
    const dense = new QuantDense({ name: "dense", units: 5, quantConfig: perChannel });
    dense.build([null, 3]);
    expect(dense.namedVariables().get("dense/kernel_clip_max")!.shape).toEqual([5]);
    const table = new TokenEmbedding({ vocabSize: 7, dim: 2, quantConfig: perChannel });
    table.build([null]);
    expect(table.quantizers.get("weights")).toMatchObject({ axis: 0 });
    expect(table.quantizedWeight("weights").scale.length).toBe(7);
    dense.dispose();
    table.dispose();
  });

  it("are penalized as NeurST does: 0.001·c² for weights, 0.01·c² for activations", () => {
    const layer = built({ name: "penalty", quantConfig });
    const { penalty } = QUANT_STRATEGIES["min/max"];
    const sum = penalty(layer.quantizers.values());
    expect(sum.dataSync()[0]).toBeCloseTo(0.001 * 0.25 + 0.01 * 4, 6);
    sum.dispose();
    layer.dispose();
  });

  it("are given names once", () => {
    class Twice extends QuantLayer {
      static readonly className = "Twice";
      override build(): void {
        this.addActivationQuantizer("output");
        this.addActivationQuantizer("output");
      }
    }
    expect(() => {
      new Twice({ quantConfig, name: "twice" }).build();
    }).toThrow(/twice: expected a new quantizer name, received "output" twice/);
  });
});
