/** One optimizer step: losses, gradients over the batches of the step, clipping, update. */
import * as tf from "@tensorflow/tfjs";
import type { Batch } from "../data/batch.ts";
import type { Seq2SeqModel } from "../models/model.ts";
import { isClipName } from "../quant/clip-name.ts";
import { batchTensors, sequenceLoss } from "../models/loss.ts";
import { globalNorm } from "../ops/global-norm.ts";
import type { QuantConfig } from "../quant/config.ts";
import { withPass, type DropoutSource } from "../quant/pass.ts";
import type { Quantizer } from "../quant/quantizers.ts";
import { QUANT_STRATEGIES } from "../quant/strategies.ts";
import type { Adam } from "./optimizer.ts";

/** What stays the same from step to step. */
export interface StepSetup {
  readonly model: Seq2SeqModel;
  readonly quant: QuantConfig | null;
  readonly labelSmoothing: number;
  /** Trained variables by checkpoint name. */
  readonly trained: ReadonlyMap<string, tf.Variable>;
  /** Largest global norm of the gradients of weights, or null. */
  readonly clipNorm: number | null;
  /** Largest absolute value of an element of the gradients of weights, or null. */
  readonly clipValue: number | null;
  readonly optimizer: Adam;
}

/** Figures of one step. */
export interface StepFigures {
  /** Mean over target tokens. */
  readonly taskLoss: number;
  /** Regularization of the clips, apart from the task loss. */
  readonly clipPenalty: number;
  /** Global norm of the gradients of weights, before clipping. */
  readonly gradientNorm: number;
  /** Trained variables that no gradient reaches; they stay as they are. */
  readonly unreached: readonly string[];
}

type Gradients = Map<string, tf.Tensor>;

/**
 * Updates the trained variables. The task loss is the mean over all target tokens of `batches`, so
 * that several small batches give the update of one that holds all their sentences. Gradients of
 * clips are not clipped and do not count in the norm: they are of another size, and would decide
 * how far the weights may move.
 *
 * @param rateOf learning rate of a variable
 */
export async function trainStep(
  setup: StepSetup,
  batches: readonly Batch[],
  dropout: DropoutSource,
  rateOf: (name: string) => number,
): Promise<StepFigures> {
  let unreached: string[] = [];
  const figures = tf.tidy(() => {
    const task = taskGradients(setup, batches, dropout);
    const penalty = addPenalty(setup, task.gradients);
    unreached = [...setup.trained.keys()].filter((name) => !task.gradients.has(name));
    const norm = clipGradients(setup, task.gradients);
    setup.optimizer.apply(task.gradients, rateOf);
    return tf.stack([task.loss, penalty, norm]);
  });
  try {
    const [taskLoss, clipPenalty, gradientNorm] = await figures.data<"float32">();
    return {
      taskLoss: taskLoss!,
      clipPenalty: clipPenalty!,
      gradientNorm: gradientNorm!,
      unreached,
    };
  } finally {
    figures.dispose();
  }
}

function taskGradients(setup: StepSetup, batches: readonly Batch[], dropout: DropoutSource) {
  const targetTokens = batches.reduce((sum, batch) => batch.targetLengths.reduce(add, sum), 0);
  const gradients: Gradients = new Map();
  let loss: tf.Scalar = tf.scalar(0);
  for (const batch of batches) {
    const tensors = batchTensors(batch);
    const result = withPass({ training: true, dropout }, (pass) =>
      gradientsOf(() => {
        const { total } = sequenceLoss(setup.model, tensors, setup.labelSmoothing, pass);
        return total.div(targetTokens);
      }, [...setup.trained.values()]),
    );
    loss = loss.add(result.value);
    addGradients(gradients, setup, result.grads);
  }
  return { loss, gradients };
}

/** tf.variableGrads, less the tensors for the backward pass that it leaves behind where it fails. */
function gradientsOf(
  loss: () => tf.Scalar,
  variables: tf.Variable[],
): ReturnType<typeof tf.variableGrads> {
  try {
    return tf.variableGrads(loss, variables);
  } catch (error) {
    const { state } = tf.engine() as unknown as {
      state: { activeTape: { saved?: tf.Tensor[] }[] | null };
    };
    for (const { saved } of state.activeTape ?? []) tf.dispose(saved ?? []);
    state.activeTape = null;
    throw error;
  }
}

function add(a: number, b: number): number {
  return a + b;
}

/** Adds the penalty's gradients; returns its value. */
function addPenalty(setup: StepSetup, gradients: Gradients): tf.Scalar {
  const { quant, model } = setup;
  if (quant === null) return tf.scalar(0);
  const quantizers: Quantizer[] = model.layers().flatMap((layer) => [...layer.quantizers.values()]);
  const clips = [...setup.trained].filter(([name]) => isClipName(name)).map(([, clip]) => clip);
  const { penalty } = QUANT_STRATEGIES[quant.strategy];
  if (clips.length === 0) return penalty(quantizers);
  const result = gradientsOf(() => penalty(quantizers), clips);
  addGradients(gradients, setup, result.grads);
  return result.value;
}

/** Adds gradients that TensorFlow.js gives under its own variable names. */
function addGradients(sum: Gradients, setup: StepSetup, more: tf.NamedTensorMap): void {
  for (const [name, variable] of setup.trained) {
    const gradient = more[variable.name];
    // A variable that the loss does not reach has none.
    if (gradient === undefined) continue;
    const before = sum.get(name);
    sum.set(name, before === undefined ? gradient : tf.add(before, gradient));
  }
}

/** Clips the gradients of weights in place of the old ones; returns their norm before. */
function clipGradients(setup: StepSetup, gradients: Gradients): tf.Scalar {
  const names = [...gradients.keys()].filter((name) => !isClipName(name));
  const norm = globalNorm(names.map((name) => gradients.get(name)!));
  const { clipNorm, clipValue } = setup;
  if (clipValue !== null) {
    for (const name of names) {
      gradients.set(name, tf.clipByValue(gradients.get(name)!, -clipValue, clipValue));
    }
  }
  if (clipNorm !== null) {
    const after = clipValue === null ? norm : globalNorm(names.map((name) => gradients.get(name)!));
    const factor = tf.div(clipNorm, tf.maximum(after, clipNorm));
    for (const name of names) gradients.set(name, tf.mul(gradients.get(name)!, factor));
  }
  return norm;
}
