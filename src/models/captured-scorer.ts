/**
 * A scorer whose steps are captured as graphs: the native backend's. Its state has tensors of few
 * fixed shapes, so that few graphs serve all batches; see docs/adr/0010-captured-decoding.md.
 */
import * as tf from "@tensorflow/tfjs";
import type { RowScoring } from "../core/top-candidates.ts";
import type { StepScorer } from "../decode/step-scorer.ts";
import { ShapeError } from "../errors.ts";
import { captureStep, type CapturedStep, type CaptureReport } from "../graph/captured-step.ts";
import { logSoftmax } from "../ops/log-softmax.ts";
import { topCandidatesOf } from "../ops/top-candidates.ts";
import type { Pass } from "../quant/pass.ts";
import { capacityOf, paddedRows, placesOf, roomFor } from "./block-state.ts";
import type { BlockStep, StepsInBlocks } from "./block-step.ts";
import type { DecodeState, Seq2SeqModel } from "./model.ts";
import { readCandidates } from "./read-candidates.ts";
import { lengthsOf, paddedIds } from "./source-tensors.ts";
import { rowsAfterStep } from "./state-rows.ts";

/** Source times are multiples of this. */
const SOURCE_TIMES = 16;

/** Runs of a shape before it is captured: what is seen less often is not worth a graph. */
const CAPTURE_AFTER = 8;

/** A model that can decode in blocks. */
export type BlockModel = Seq2SeqModel & { readonly inBlocks: StepsInBlocks };

/** A scorer that says how its steps ran. */
export interface CapturedScorer extends Required<StepScorer<DecodeState>> {
  /** Frees the graphs; the pass stays. */
  close(): void;
  /** Of each kind of step. */
  reports(): CaptureReport[];
}

/** What a kind of step gives besides its blocks: the best tokens of each row, or null for all. */
type Choice = (Pick<RowScoring, "maskedA" | "maskedB"> & { readonly size: number }) | null;

type Step = CapturedStep<tf.Tensor[], tf.Tensor[]>;

/**
 * A scorer of a model in a pass, whose quantized weights its graphs keep. createModelScorer says when
 * it is used.
 * @param captureAfter 1 or more: what the pass keeps must be made outside of a capture
 */
export function createCapturedScorer(
  model: BlockModel,
  pass: Pass,
  captureAfter = CAPTURE_AFTER,
): CapturedScorer {
  const steps = new Map<string, Step>();
  const stepOf = (choice: Choice): Step => {
    const key = JSON.stringify(choice);
    let step = steps.get(key);
    if (step === undefined) {
      const run = (...inputs: tf.Tensor[]): tf.Tensor[] =>
        oneStep(model.inBlocks, inputs, choice, pass);
      step = captureStep(run, { name: "decoding step", captureAfter });
      steps.set(key, step);
    }
    return step;
  };
  return {
    vocabSize: model.targetVocabSize,
    start(sources) {
      const ids = paddedIds(sources, SOURCE_TIMES);
      const lengths = lengthsOf(sources);
      try {
        return { ...model.startState(ids, lengths, pass), isInBlocks: true };
      } finally {
        tf.dispose([ids, lengths]);
      }
    },
    step(state, ids) {
      const figures = { accumulated: new Float32Array(ids.length), factor: 1 };
      const { results, state: next } = advance(model, stepOf(null), { state, ids, ...figures });
      const logProbs = read(results, ([all]) => all!.dataSync<"float32">());
      return { logProbs: logProbs.slice(0, ids.length * model.targetVocabSize), state: next };
    },
    stepTop(state, ids, { accumulated, factor, maskedA, maskedB }, size) {
      const step = stepOf({ size, maskedA, maskedB });
      const { results, state: next } = advance(model, step, { state, ids, accumulated, factor });
      return { best: read(results, (all) => readCandidates(all, ids.length)), state: next };
    },
    gather: (state, rows) => model.gatherState(state, rows),
    dispose(state) {
      model.disposeState(state);
    },
    close() {
      for (const step of steps.values()) step.dispose();
    },
    reports: () => [...steps.values()].map(({ report }) => report),
  };
}

/**
 * What is captured.
 * @param inputs those of {@link stepInputs}
 * @returns results by the choice, then each layer's last block
 */
function oneStep(
  { layers, step }: StepsInBlocks,
  inputs: readonly tf.Tensor[],
  choice: Choice,
  pass: Pass,
): tf.Tensor[] {
  const [ids, position, sentences, places, accumulated, factor, lengths, ...kept] = inputs;
  const ofEach = kept.length / layers;
  const ofLayers = Array.from({ length: layers }, (_, i) =>
    kept.slice(i * ofEach, (i + 1) * ofEach),
  );
  const memory = ofLayers.map(([first]) => first);
  const blocks = ofLayers.map(([, ...others]) => others);
  const given = { ids, position, sentences, places, lengths, memory, blocks };
  const { logits, left } = step(given as unknown as BlockStep, pass);
  if (choice === null) return [logSoftmax(logits), ...left];
  const figures = { accumulated: accumulated as tf.Tensor1D, factor: factor as tf.Scalar };
  return [...topCandidatesOf(logits, { ...figures, ...choice }, choice.size), ...left];
}

/** What one step is asked for. */
interface StepCall extends Pick<RowScoring, "accumulated" | "factor"> {
  readonly state: DecodeState;
  /** [rows]. */
  readonly ids: Int32Array;
}

/** Makes one step. Consumes the state, also where it throws. */
function advance(
  model: BlockModel,
  step: Step,
  call: StepCall,
): { results: tf.Tensor[]; state: DecodeState } {
  const { layers, mostSteps } = model.inBlocks;
  const { time } = call.state.rows;
  let { state } = call;
  let inputs: tf.Tensor[] = [];
  try {
    if (time >= mostSteps) {
      throw new ShapeError(
        `decoding: expected at most ${mostSteps} positions, received ${time + 1}. ` +
          `Shorten the text or raise timing.max_positions.`,
      );
    }
    state = roomFor(state, call.ids.length, model.inBlocks);
    inputs = stepInputs({ ...call, state });
    const results = step.run(...inputs, ...keptInputs(state, layers));
    const left = results.splice(-layers);
    const tensors: Record<string, readonly tf.Tensor[]> = { ...state.tensors };
    left.forEach((block, i) => {
      const past = tensors[`past_${i}`]!;
      past.at(-1)!.dispose();
      tensors[`past_${i}`] = [...past.slice(0, -1), tf.keep(block)];
    });
    return { results, state: { ...state, tensors, rows: rowsAfterStep(state.rows) } };
  } catch (error) {
    model.disposeState(state);
    throw error;
  } finally {
    tf.dispose(inputs);
  }
}

/** Tensors that a step is given anew: ids, position, sentences, places, accumulated, factor. */
function stepInputs({ state, ids, accumulated, factor }: StepCall): tf.Tensor[] {
  const capacity = capacityOf(state);
  const count = paddedRows(ids.length, capacity);
  const rows = rowsAfterStep(state.rows);
  const places = placesOf(rows, count, capacity);
  return [
    tf.tensor1d(filled(ids, count, ids[0]!), "int32"),
    tf.scalar(state.rows.time, "int32"),
    tf.tensor1d(filled(rows.sentences, count, 0), "int32"),
    tf.tensor2d(places, [count, places.length / count], "int32"),
    tf.tensor1d(filled(accumulated, count, 0)),
    tf.scalar(factor),
  ];
}

/** Tensors of the state: lengths; for each layer its memory and its blocks. */
function keptInputs({ tensors }: DecodeState, layers: number): tf.Tensor[] {
  const ofLayers = Array.from({ length: layers }, (_, i) => [
    tensors["memory"]![i]!,
    ...tensors[`past_${i}`]!,
  ]);
  return [tensors["lengths"]![0]!, ...ofLayers.flat()];
}

/** `values`, and `value` up to `count`. */
function filled<T extends Int32Array | Float32Array>(values: T, count: number, value: number): T {
  const all = new (values.constructor as new (size: number) => T)(count);
  all.fill(value, values.length).set(values);
  return all;
}

function read<T>(results: tf.Tensor[], use: (results: tf.Tensor[]) => T): T {
  try {
    return use(results);
  } finally {
    tf.dispose(results);
  }
}
