/** A layer of one's own with a quantized weight and activation, trained in a plain tf.sequential. */
import * as tf from "@tensorflow/tfjs";
import { QuantLayer, resolveQuantConfig, selectBackend, type QuantLayerArgs } from "tfjs-qat";

interface ReluDenseArgs extends QuantLayerArgs {
  readonly units: number;
}

/** y = relu(x·kernel + bias). */
class ReluDense extends QuantLayer {
  static readonly className = "ReluDense";
  readonly units: number;
  #kernel!: tf.LayerVariable;
  #bias!: tf.LayerVariable;

  // Step 1: inherit from QuantLayer.
  constructor(args: ReluDenseArgs) {
    super(args);
    this.units = args.units;
  }

  // Step 2: create weights as always; their quantizers come by themselves (a bias gets none).
  //         Add a quantizer for each activation.
  override build(inputShape: tf.Shape): void {
    const inputs = inputShape.at(-1)!;
    const start = tf.initializers.glorotUniform({ seed: this.seed });
    this.#kernel = this.addWeight("kernel", [inputs, this.units], "float32", start);
    this.#bias = this.addWeight("bias", [this.units], "float32", tf.initializers.zeros());
    this.addActivationQuantizer("output", "relu");
    super.build(inputShape);
  }

  // Step 3: use the quantized values.
  override call(
    inputs: tf.Tensor | tf.Tensor[],
    kwargs: Parameters<tf.layers.Layer["call"]>[1],
  ): tf.Tensor {
    const x = Array.isArray(inputs) ? inputs[0]! : inputs;
    return this.inPass(kwargs, (pass) => {
      const kernel = this.quantWeight(this.#kernel, pass);
      const y = tf.relu(tf.add(tf.matMul(x, kernel), this.#bias.read()));
      return this.quant(y, "output", pass);
    });
  }

  override computeOutputShape(inputShape: tf.Shape): tf.Shape {
    return [...inputShape.slice(0, -1), this.units];
  }

  override getConfig(): tf.serialization.ConfigDict {
    return { ...super.getConfig(), units: this.units };
  }
}

await selectBackend("wasm");
const quantConfig = resolveQuantConfig({
  quant_bits: 4,
  quant_weight_clip_max: 1,
  quant_act_clip_max: 4,
});
const model = tf.sequential({
  layers: [
    new ReluDense({ name: "hidden", units: 8, quantConfig, inputShape: [4] }),
    tf.layers.dense({ units: 1, kernelInitializer: tf.initializers.glorotUniform({ seed: 3 }) }),
  ],
});
model.compile({ optimizer: tf.train.adam(0.02), loss: "meanSquaredError" });

const x = tf.randomUniform([64, 4], -1, 1, "float32", 5);
const y = tf.sum(tf.abs(x), 1, true);
const history = await model.fit(x, y, { epochs: 60, shuffle: false });
const losses = history.history["loss"] as number[];
console.log("loss", losses[0]!.toFixed(4), "->", losses.at(-1)!.toFixed(4));

const hidden = model.layers[0] as ReluDense;
const { codes, scale, clipMax } = hidden.quantizedWeight("kernel");
console.log("codes of the first row", codes.subarray(0, 8).join(" "));
console.log("scale", scale[0], "clip", clipMax[0]);
