/** The optimizer step: losses, gradients over the batches of the step, clipping, update. */
import * as tf from "@tensorflow/tfjs";
import type { Batch } from "../data/batch.ts";
import type { Seq2SeqModel } from "../models/model.ts";
import { isClipName } from "../quant/clip-name.ts";
import { captureStep, type CapturedStep, type CaptureOptions } from "../graph/captured-step.ts";
import { batchTensors, sequenceLoss, type BatchTensors, type Criterion } from "../models/loss.ts";
import { globalNorm } from "../ops/global-norm.ts";
import type { QuantConfig } from "../quant/config.ts";
import { assertLearnable } from "../quant/learnable.ts";
import { withPass, type DropoutSource } from "../quant/pass.ts";
import type { Quantizer } from "../quant/quantizers.ts";
import { QUANT_STRATEGIES } from "../quant/strategies.ts";
import { GivenSeeds } from "./dropout-source.ts";
import type { Adam } from "./optimizer.ts";

/** What stays the same from step to step. */
export interface StepSetup {
  readonly model: Seq2SeqModel;
  readonly quant: QuantConfig | null;
  readonly criterion: Criterion;
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
  /** Mean over what the criterion says. */
  readonly taskLoss: number;
  /** Regularization of the clips, apart from the task loss. */
  readonly clipPenalty: number;
  /** Global norm of the gradients of weights, before clipping. */
  readonly gradientNorm: number;
  /** Trained variables that no gradient reaches; they stay as they are. */
  readonly unreached: readonly string[];
}

type Gradients = Map<string, tf.Tensor>;

/** Learning rates of one step. */
export interface StepRates {
  readonly weights: number;
  readonly clips: number;
}

/** What a step is given as tensors; all else stays the same from step to step. */
interface StepInputs {
  readonly batches: readonly BatchTensors[];
  /** What the losses of all batches are divided by: their target tokens, or their sentences. */
  readonly count: tf.Tensor;
  readonly dropout: DropoutSource;
}

/** Names of a batch's tensors, in the order in which a step is given them. */
const BATCH_TENSORS = [
  "source",
  "sourceLengths",
  "targetInput",
  "target",
  "targetLengths",
] as const satisfies readonly (keyof BatchTensors)[];

/**
 * Updates the trained variables, step by step. The task loss is the mean over all of a step's batches, so that several small batches give the update of one that holds all their
 * sentences. Gradients of clips are not clipped and do not count in the norm: they are of another
 * size, and would decide how far the weights may move.
 *
 * On the native backend a step is replayed as a graph; see {@link captureStep}.
 */
export class TrainStep {
  readonly #setup: StepSetup;
  readonly #captured: CapturedStep<tf.Tensor[], tf.Tensor>;
  /** Places of dropout in a step, once one has run. */
  #sites: number | null = null;
  #unreached: readonly string[] = [];
  /** What the step that runs has besides tensors. */
  #dropout: DropoutSource | null = null;
  #batchCount = 0;

  /** @throws {ConfigError} for a model with ranges that cannot be learnt */
  constructor(setup: StepSetup, options: CaptureOptions = {}) {
    assertLearnable(setup.model.layers());
    this.#setup = setup;
    this.#captured = captureStep((...tensors) => this.#step(tensors), options);
  }

  /** Makes one step. */
  async run(
    batches: readonly Batch[],
    dropout: DropoutSource,
    rates: StepRates,
  ): Promise<StepFigures> {
    const { optimizer } = this.#setup;
    if (this.#sites === null && this.#captured.isCapturing) {
      this.#sites = dropoutSites(this.#setup, batches);
    }
    const { per } = this.#setup.criterion;
    const count = batches.reduce(
      (sum, { size, targetLengths }) =>
        per === "token" ? targetLengths.reduce(add, sum) : sum + size,
      0,
    );
    optimizer.beginStep();
    const numbers = [
      count,
      optimizer.correctedRate(rates.weights),
      optimizer.correctedRate(rates.clips),
    ];
    const inputs: tf.Tensor[] = [
      ...numbers.map((value) => tf.scalar(value)),
      ...batches.flatMap((batch) => {
        const tensors = batchTensors(batch);
        return BATCH_TENSORS.map((name) => tensors[name]);
      }),
      ...Array.from({ length: this.#sites ?? 0 }, () => dropout.nextSeed()),
    ];
    this.#dropout = dropout;
    this.#batchCount = batches.length;
    let figures: tf.Tensor | null = null;
    try {
      figures = this.#captured.run(...inputs);
      const [taskLoss, clipPenalty, gradientNorm] = await figures.data<"float32">();
      return {
        taskLoss: taskLoss!,
        clipPenalty: clipPenalty!,
        gradientNorm: gradientNorm!,
        unreached: this.#unreached,
      };
    } finally {
      tf.dispose(inputs);
      figures?.dispose();
    }
  }

  /** Frees the graphs; the variables keep their values. */
  dispose(): void {
    this.#captured.dispose();
  }

  /** @returns [3] task loss, clip penalty, gradient norm */
  #step([count, weightRate, clipRate, ...rest]: tf.Tensor[]): tf.Tensor {
    const setup = this.#setup;
    const size = BATCH_TENSORS.length;
    const batches = Array.from({ length: this.#batchCount }, (_, i) => {
      const tensors = rest.slice(i * size, (i + 1) * size);
      return Object.fromEntries(
        BATCH_TENSORS.map((name, at) => [name, tensors[at]!]),
      ) as unknown as BatchTensors;
    });
    const seeds = rest.slice(batches.length * size);
    const dropout = new GivenSeeds(this.#sites === null ? null : seeds, this.#dropout!);
    const task = taskGradients(setup, { batches, count: count!, dropout });
    this.#sites = dropout.used;
    const penalty = addPenalty(setup, task.gradients);
    this.#unreached = [...setup.trained.keys()].filter((name) => !task.gradients.has(name));
    const norm = clipGradients(setup, task.gradients);
    setup.optimizer.apply(task.gradients, (name) => (isClipName(name) ? clipRate! : weightRate!));
    return tf.stack([task.loss, penalty, norm]);
  }
}

/** Places of dropout in a step: a graph's seeds are inputs, whose number must be known before. */
function dropoutSites({ model, criterion }: StepSetup, batches: readonly Batch[]): number {
  let sites = 0;
  const dropout = {
    nextSeed: (): tf.Tensor => {
      sites++;
      return tf.scalar(0, "int32");
    },
  };
  for (const batch of batches) {
    tf.tidy(() => {
      withPass({ training: true, dropout }, (pass) =>
        sequenceLoss(model, batchTensors(batch), criterion, pass),
      );
    });
  }
  return sites;
}

function taskGradients(setup: StepSetup, { batches, count, dropout }: StepInputs) {
  const gradients: Gradients = new Map();
  let loss: tf.Scalar = tf.scalar(0);
  for (const tensors of batches) {
    const result = withPass({ training: true, dropout }, (pass) =>
      gradientsOf(() => {
        const { total } = sequenceLoss(setup.model, tensors, setup.criterion, pass);
        return tf.div(total, count);
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
