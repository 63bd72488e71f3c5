/**
 * A stack of LSTM layers as GNMT has them, unrolled over time in TensorFlow.js operations, and its
 * training step: mean squared error, backward pass, Adam.
 */
import * as tf from "@tensorflow/tfjs";
import { captureStep, type CapturedStep, type CaptureOptions } from "../src/graph/captured-step.ts";
import { fakeQuant, type FakeQuantSpec } from "../src/ops/fake-quant.ts";
import { linear } from "../src/ops/linear.ts";
import { Adam } from "../src/train/optimizer.ts";
import type { LstmData } from "./lstm-data.ts";

const LEARNING_RATE = 1e-4;
const SIGNED_8_BITS: FakeQuantSpec = {
  ...{ kind: "act", bits: 8, axis: null, rounding: "half_even", compat: "none" },
};

interface Layer {
  /** [width, 4·width]. */
  readonly kernel: tf.Variable<tf.Rank.R2>;
  readonly recurrent: tf.Variable<tf.Rank.R2>;
  /** [4·width]. */
  readonly bias: tf.Variable<tf.Rank.R1>;
  /** Clips; null in float. */
  readonly clips: { readonly gates: tf.Variable; readonly hidden: tf.Variable } | null;
}

/** Trains the stack on given batches. */
export class LstmTrainer {
  readonly #layers: readonly Layer[];
  readonly #variables: ReadonlyMap<string, tf.Variable>;
  readonly #optimizer: Adam;
  readonly #inputs: readonly tf.Tensor3D[];
  readonly #targets: readonly tf.Tensor3D[];
  readonly #captured: CapturedStep<[tf.Tensor3D, tf.Tensor3D, tf.Tensor], tf.Scalar>;

  constructor(data: LstmData, isQuantized: boolean, options: CaptureOptions = {}) {
    const { time, batch, width } = data.size;
    this.#layers = data.kernels.map((_, i) => makeLayer(data, i, isQuantized));
    this.#variables = namedVariables(this.#layers);
    this.#optimizer = new Adam(this.#variables, { beta1: 0.9, beta2: 0.98, epsilon: 1e-9 });
    this.#inputs = data.inputs.map((values) => tf.tensor3d(values, [time, batch, width]));
    this.#targets = data.targets.map((values) => tf.tensor3d(values, [time, batch, width]));
    this.#captured = captureStep((x, target, rate) => this.#step(x, target, rate), options);
  }

  /** One step on batch `i`. @returns the loss before it */
  async step(i: number): Promise<number> {
    this.#optimizer.beginStep();
    const rate = tf.scalar(this.#optimizer.correctedRate(LEARNING_RATE));
    const loss = this.#captured.run(this.#inputs[i]!, this.#targets[i]!, rate);
    const [value] = await loss.data();
    tf.dispose([rate, loss]);
    return value!;
  }

  dispose(): void {
    this.#captured.dispose();
    this.#optimizer.dispose();
    tf.dispose([...this.#variables.values(), ...this.#inputs, ...this.#targets]);
  }

  #step(x: tf.Tensor3D, target: tf.Tensor3D, rate: tf.Tensor): tf.Scalar {
    const { value, grads } = tf.variableGrads(() => {
      const outputs = this.#layers.reduce(lstmLayer, x);
      return tf.mean(tf.squaredDifference(outputs, target));
    }, [...this.#variables.values()]);
    const gradients = new Map(
      [...this.#variables].map(([name, variable]) => [name, grads[variable.name]!]),
    );
    this.#optimizer.apply(gradients, () => rate);
    return value;
  }
}

function makeLayer({ size, kernels, recurrent }: LstmData, i: number, isQuantized: boolean): Layer {
  const shape: [number, number] = [size.width, 4 * size.width];
  const matrix = (values: Float32Array): tf.Variable<tf.Rank.R2> =>
    tf.tidy(() => tf.variable(tf.tensor2d(values, shape)));
  const clip = (value: number): tf.Variable => tf.tidy(() => tf.variable(tf.scalar(value)));
  return {
    kernel: matrix(kernels[i]!),
    recurrent: matrix(recurrent[i]!),
    bias: tf.tidy(() => tf.variable(tf.zeros<tf.Rank.R1>([shape[1]]))),
    clips: isQuantized ? { gates: clip(size.gatesClip), hidden: clip(size.hiddenClip) } : null,
  };
}

function namedVariables(layers: readonly Layer[]): Map<string, tf.Variable> {
  return new Map(
    layers.flatMap(({ kernel, recurrent, bias, clips }, i) =>
      Object.entries({ kernel, recurrent, bias, ...clips }).map(
        ([name, variable]): [string, tf.Variable] => [`${i}/${name}`, variable],
      ),
    ),
  );
}

/** @returns the outputs of a layer at all times, [time, batch, width] like its inputs */
function lstmLayer(x: tf.Tensor3D, { kernel, recurrent, bias, clips }: Layer): tf.Tensor3D {
  const [time, batch, width] = x.shape;
  const quantized = (values: tf.Tensor, clip: tf.Variable | undefined): tf.Tensor2D =>
    (clip === undefined ? values : fakeQuant(values, clip, SIGNED_8_BITS)) as tf.Tensor2D;
  // The products with the inputs do not wait for each other.
  const sums = linear(tf.reshape(x, [time * batch, width]), kernel, bias);
  let hidden: tf.Tensor2D | null = null;
  let cell: tf.Tensor2D | null = null;
  const outputs: tf.Tensor2D[] = [];
  for (const part of tf.unstack(tf.reshape(sums, [time, batch, 4 * width]))) {
    const sum: tf.Tensor =
      hidden === null ? part : tf.add(part, tf.matMul<tf.Tensor2D>(hidden, recurrent));
    const [i, f, g, o] = tf.split(quantized(sum, clips?.gates), 4, 1);
    const added = tf.mul<tf.Tensor2D>(tf.sigmoid(i!), tf.tanh(g!));
    cell = cell === null ? added : tf.add<tf.Tensor2D>(tf.mul(tf.sigmoid(f!), cell), added);
    hidden = quantized(tf.mul(tf.sigmoid(o!), tf.tanh(cell)), clips?.hidden);
    outputs.push(hidden);
  }
  return tf.stack(outputs) as tf.Tensor3D;
}
