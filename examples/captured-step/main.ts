/**
 * A plain TensorFlow.js model, trained eagerly and with its step captured as a TensorFlow graph:
 * the same losses in a fraction of the time. Run it with: npx tsx examples/captured-step/main.ts
 */
import * as tf from "@tensorflow/tfjs";
import { captureStep, selectBackend } from "tfjs-qat";

const STEPS = 300;
const BATCH = 64;

/** Two spirals: points in the plane, and which spiral each lies on. */
function spirals(seed: number): { x: tf.Tensor2D; labels: tf.Tensor2D } {
  return tf.tidy(() => {
    const side = tf.cast(
      tf.greater(tf.randomUniform([BATCH, 1], 0, 1, "float32", seed), 0.5),
      "float32",
    );
    const turn = tf.randomUniform([BATCH, 1], 0.5, 9, "float32", seed + 1);
    const angle = tf.add(turn, tf.mul(side, Math.PI));
    const x = tf.concat2d(
      [tf.mul(turn, tf.cos(angle)), tf.mul(turn, tf.sin(angle))] as tf.Tensor2D[],
      1,
    );
    return { x: tf.div(x, 9), labels: side as tf.Tensor2D };
  });
}

/** A model of TensorFlow.js' layers, with the same initial weights each time. */
function makeModel(): tf.Sequential {
  const dense = (units: number, i: number, activation?: "relu"): tf.layers.Layer =>
    tf.layers.dense({
      units,
      ...(activation === undefined ? {} : { activation }),
      ...(i === 0 ? { inputShape: [2] } : {}),
      kernelInitializer: tf.initializers.heNormal({ seed: i + 1 }),
    });
  const hidden = Array.from({ length: 6 }, (_, i) => dense(64, i, "relu"));
  return tf.sequential({ layers: [...hidden, dense(1, 6)] });
}

/** Trains, and returns the loss of each step and the median time of a step in milliseconds. */
async function train(isCaptured: boolean): Promise<{ losses: number[]; milliseconds: number }> {
  const model = makeModel();
  const optimizer = tf.train.adam(0.003);
  const step = captureStep(
    (x: tf.Tensor, labels: tf.Tensor) =>
      optimizer.minimize(
        () =>
          tf.losses.sigmoidCrossEntropy<tf.Tensor, tf.Scalar>(labels, model.apply(x) as tf.Tensor),
        true,
      )!,
    {
      eager: !isCaptured,
      onNotice: (line) => {
        console.log(line);
      },
    },
  );
  const losses: number[] = [];
  const times: number[] = [];
  for (let i = 0; i < STEPS; i++) {
    const { x, labels } = spirals(2 * i + 1);
    const start = performance.now();
    const loss = step.run(x, labels);
    losses.push((await loss.data())[0]!);
    times.push(performance.now() - start);
    tf.dispose([x, labels, loss]);
  }
  step.dispose();
  model.dispose();
  optimizer.dispose();
  return { losses, milliseconds: times.sort((a, b) => a - b)[STEPS / 2]! };
}

await selectBackend("native");
const eager = await train(false);
const captured = await train(true);
for (const [name, { losses, milliseconds }] of Object.entries({ eager, captured })) {
  const [first, last] = [losses[0]!.toFixed(4), losses.at(-1)!.toExponential(2)];
  console.log(`${name}: ${milliseconds.toFixed(2)} ms a step, loss ${first} -> ${last}`);
}
const differences = eager.losses.map((loss, i) => Math.abs(loss - captured.losses[i]!));
console.log(`${(eager.milliseconds / captured.milliseconds).toFixed(1)} times faster`);
console.log(`largest difference of a loss: ${Math.max(...differences)}`);
