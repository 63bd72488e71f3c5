/** One LSTM layer, forward and backward, in the forms that the recurrent benchmark compares. */
import * as tf from "@tensorflow/tfjs";
import { fillRandomUniform } from "../src/core/random.ts";
import { QuantLSTM } from "../src/layers/lstm.ts";
import { resolveQuantConfig } from "../src/quant/config.ts";
import { withPass } from "../src/quant/pass.ts";
import { CORPUS_SEED } from "./settings.ts";

/** Sizes of the layer and of its input. */
export interface RecurrentSize {
  readonly units: number;
  readonly inputs: number;
  readonly time: number;
  readonly batch: number;
}

/** A layer with its input: outputs, and the gradients of everything for fixed gradients of those. */
export interface RecurrentLayer {
  /** float32 [time, batch, units]; the caller disposes it. */
  outputs(): tf.Tensor3D;
  /** By variable, the input among them; the caller disposes them. */
  gradients(): tf.NamedTensorMap;
  /** The input [time, batch, inputs]. */
  readonly x: tf.Variable<tf.Rank.R3>;
  /** All other variables. */
  readonly weights: readonly tf.Variable[];
  dispose(): void;
}

/** Our layer. @param isQuantized 8 bits everywhere, 16 for the cell */
export function quantLayer(size: RecurrentSize, isQuantized: boolean): RecurrentLayer {
  const params = { quant_weight_clip_max: 0.1, quant_act_clip_max: 2 };
  const quantConfig = isQuantized ? resolveQuantConfig(params) : null;
  const layer = new QuantLSTM({ name: `lstm_${++made}`, units: size.units, quantConfig, seed: 1 });
  layer.build([null, null, size.inputs]);
  const x = inputOf(size);
  return recurrentLayer(size, {
    x,
    weights: variablesOf(layer),
    run: () => withPass({ training: true }, (pass) => layer.run(x as tf.Tensor3D, pass).outputs),
    dispose: () => layer.dispose(),
  });
}

/** TensorFlow.js' own layer, in float, with the weights of a float layer of {@link quantLayer}. */
export function stockLayer(size: RecurrentSize, model: RecurrentLayer): RecurrentLayer {
  const { units, inputs } = size;
  const layer = tf.layers.lstm({ units, returnSequences: true, recurrentActivation: "sigmoid" });
  // build() alone would not count as built.
  tf.tidy(() => void layer.apply(tf.zeros([1, 1, inputs])));
  tf.tidy(() => {
    const [ofX, biasX, ofH, biasH] = model.weights;
    // Its gates are in our order; it has one bias.
    layer.setWeights([ofX!, ofH!, tf.add(biasX!, biasH!)]);
  });
  const x = inputOf(size);
  return recurrentLayer(size, {
    x,
    weights: variablesOf(layer),
    run: () => {
      const outputs = layer.apply(tf.transpose(x, [1, 0, 2])) as tf.Tensor3D;
      return tf.transpose(outputs, [1, 0, 2]);
    },
    dispose: () => layer.dispose(),
  });
}

let made = 0;

interface Parts {
  readonly x: tf.Variable<tf.Rank.R3>;
  readonly weights: readonly tf.Variable[];
  readonly run: () => tf.Tensor3D;
  readonly dispose: () => void;
}

function recurrentLayer(
  { units, time, batch }: RecurrentSize,
  { x, weights, run, dispose }: Parts,
): RecurrentLayer {
  const dy = random([time, batch, units], 2, 1);
  return {
    ...{ x, weights },
    outputs: () => tf.tidy(run),
    gradients: () =>
      tf.tidy(() => tf.variableGrads(() => tf.sum(tf.mul(run(), dy)), [x, ...weights]).grads),
    dispose: () => {
      tf.dispose([x, dy]);
      dispose();
    },
  };
}

function inputOf({ inputs, time, batch }: RecurrentSize): tf.Variable<tf.Rank.R3> {
  return tf.tidy(() => tf.variable(random([time, batch, inputs], 1, 1)));
}

function random(shape: [number, number, number], stream: number, bound: number): tf.Tensor3D {
  const values = new Float32Array(shape[0] * shape[1] * shape[2]);
  fillRandomUniform(values, CORPUS_SEED, stream, 0);
  return tf.tensor3d(
    values.map((value) => (2 * value - 1) * bound),
    shape,
  );
}

function variablesOf(layer: tf.layers.Layer): tf.Variable[] {
  return layer.trainableWeights.map((weight) => {
    const variable = weight.read();
    if (variable instanceof tf.Variable) return variable as tf.Variable;
    throw new TypeError(`${weight.name}: expected a variable, received a tensor.`);
  });
}
