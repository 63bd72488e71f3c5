import * as tf from "@tensorflow/tfjs";
import { expect, it } from "vitest";
import { codeOf, gridOf } from "../../src/core/affine.ts";
import { integerProduct, scaleAccumulator } from "../../src/core/integer-product.ts";
import { QuantDense } from "../../src/layers/dense.ts";
import { FeedForward } from "../../src/layers/feed-forward.ts";
import { resolveQuantConfig } from "../../src/quant/config.ts";
import { withPass } from "../../src/quant/pass.ts";
import { describeBackends } from "../helpers/backend-variants.ts";

const ROWS = 3;
const [INPUTS, HIDDEN] = [5, 700];

describeBackends("a product of codes", () => {
  it.each([false, true])("is core's integer product to the bit, by channel %s", (perChannel) => {
    const layer = new FeedForward({
      name: "ffn",
      filterSize: HIDDEN,
      quantConfig: resolveQuantConfig({
        quant_weight_clip_max: 0.2,
        quant_act_clip_max: 0.7,
        quant_per_channel: perChannel,
      }),
    });
    layer.build([null, INPUTS]);
    const dense2 = layer.sublayers[1] as QuantDense;
    const bias = tf.randomNormal([INPUTS], 0, 1, "float32", 4);
    dense2.namedVariables().get("ffn/dense2/bias")!.assign(bias);
    const x = tf.randomNormal([ROWS, INPUTS], 0, 3, "float32", 9);
    let codes: Int32Array | null = null;
    const onCodes = (path: string, seen: tf.Tensor): void => {
      if (path === "ffn/dense1_activ") codes = Int32Array.from(seen.dataSync());
    };
    const y = withPass({ products: "codes", onCodes }, (pass) =>
      tf.tidy(() => layer.transform(x, pass)),
    );
    const kernel = dense2.quantizedWeight("kernel");
    const acc = integerProduct(codes!, kernel.codes, { m: ROWS, k: HIDDEN, n: INPUTS });
    const scaleA = gridOf("relu", 8, 0.7, "half_even").scale;
    const expected = scaleAccumulator(acc, INPUTS, {
      scaleA,
      scaleB: kernel.scale,
      bias: bias.dataSync(),
    });
    expect([...y.dataSync()]).toEqual([...expected]);
    tf.dispose([bias, x, y]);
    layer.dispose();
  });

  it("finds the codes of an operand that holds values", () => {
    const quantConfig = resolveQuantConfig({ quant_weight_clip_max: 0.5, quant_act_clip_max: 1.3 });
    const first = new QuantDense({ name: "first", units: 4, quantConfig });
    const second = new QuantDense({ name: "second", units: 2, quantConfig, quantizeOutput: false });
    first.build([null, 6]);
    second.build([null, 4]);
    const x = tf.randomNormal([ROWS, 6], 0, 2, "float32", 3);
    const [hidden, y] = withPass({ products: "codes" }, (pass) =>
      tf.tidy((): [tf.Tensor, tf.Tensor] => {
        const values = first.transform(x, pass);
        return [values, second.transform(values, pass)];
      }),
    );
    const grid = gridOf("act", 8, 1.3, "half_even");
    const codes = Int32Array.from(hidden.dataSync(), (v) => codeOf(v, grid));
    const kernel = second.quantizedWeight("kernel");
    const acc = integerProduct(codes, kernel.codes, { m: ROWS, k: 4, n: 2 });
    const expected = scaleAccumulator(acc, 2, { scaleA: grid.scale, scaleB: kernel.scale });
    expect([...y.dataSync()]).toEqual([...expected]);
    tf.dispose([x, hidden, y]);
    first.dispose();
    second.dispose();
  });
});
