/** A sequence-to-sequence model as decoders see it: arrays in, log-probabilities out. */
import * as tf from "@tensorflow/tfjs";
import type { AttendingScorer, StepScorer } from "../decode/step-scorer.ts";
import { nativeBackend } from "../graph/native-backend.ts";
import { logSoftmax } from "../ops/log-softmax.ts";
import { topCandidates } from "../ops/top-candidates.ts";
import { createPass, disposePass, type Pass } from "../quant/pass.ts";
import { createCapturedScorer, type BlockModel } from "./captured-scorer.ts";
import type { DecodeState, Seq2SeqModel } from "./model.ts";
import { readCandidates } from "./read-candidates.ts";
import { lengthsOf, paddedIds } from "./source-tensors.ts";

/** A model's scorer. It quantizes each weight once, so no weight may change while it is in use. */
export interface ModelScorer extends StepScorer<DecodeState> {
  /** Frees the quantized weights; the model stays. */
  close(): void;
}

/**
 * Batches that are decoded without capturing anything. A graph costs what it saves in about 100 steps:
 * text that ends before would only be slower. See docs/adr/0010-captured-decoding.md.
 */
const EAGER_BATCHES = 16;

/**
 * The scorer of a model in evaluation. On native the steps of a long text are captured as graphs.
 * @param products `codes` multiplies integer codes where a product's operands are quantized;
 *   `values` multiplies dequantized values, as training does
 * @param eagerBatches batches that are decoded before the first capture
 */
export function createModelScorer(
  model: Seq2SeqModel,
  products: Pass["products"] = "codes",
  eagerBatches = EAGER_BATCHES,
): ModelScorer {
  const pass = createPass({ products });
  const eager = eagerScorer(model, pass);
  const close = (): void => {
    disposePass(pass);
  };
  if (nativeBackend() === null || model.inBlocks === undefined) return { ...eager, close };
  const captured = createCapturedScorer(model as BlockModel, pass);
  let batches = 0;
  const ofState = (state: DecodeState) => (state.isInBlocks === true ? captured : eager);
  return {
    ...eager,
    start: (sources) => (batches++ < eagerBatches ? eager : captured).start(sources),
    step: (state, ids) => ofState(state).step(state, ids),
    stepTop: (state, ids, scoring, size) => ofState(state).stepTop(state, ids, scoring, size),
    close() {
      captured.close();
      close();
    },
  };
}

type TopScorer = Required<StepScorer<DecodeState>> & Partial<AttendingScorer<DecodeState>>;

/** A scorer in a pass that captures nothing. */
function eagerScorer(model: Seq2SeqModel, pass: Pass): TopScorer {
  /** One step, of whose logits `read` makes arrays. */
  const advance = <T>(
    state: DecodeState,
    ids: Int32Array,
    read: (logits: tf.Tensor2D) => T,
  ): { result: T; state: DecodeState } => {
    const step = withTensors([tf.tensor1d(ids, "int32")], ([previous]) =>
      model.step(previous as tf.Tensor1D, state, pass),
    );
    return readStep(model, step, [step.logits], () => read(step.logits));
  };
  return {
    vocabSize: model.targetVocabSize,
    start: (sources) =>
      withTensors([paddedIds(sources), lengthsOf(sources)], ([ids, lengths]) =>
        model.startState(ids as tf.Tensor2D, lengths as tf.Tensor1D, pass),
      ),
    step(state, ids) {
      const { result, state: next } = advance(state, ids, (logits) =>
        Float32Array.from(logSoftmax(logits).dataSync()),
      );
      return { logProbs: result, state: next };
    },
    stepTop(state, ids, scoring, size) {
      const { result, state: next } = advance(state, ids, (logits) =>
        readCandidates(topCandidates(logits, scoring, size), ids.length),
      );
      return { best: result, state: next };
    },
    gather: (state, rows) => model.gatherState(state, rows),
    dispose(state) {
      model.disposeState(state);
    },
    ...(model.stepAttended === undefined ? {} : { stepAttended: attendedStep(model, pass) }),
  };
}

/** A step of a model that says how it attends. */
function attendedStep(
  model: Seq2SeqModel,
  pass: Pass,
): AttendingScorer<DecodeState>["stepAttended"] {
  return (state, ids, scoring, size) => {
    const step = withTensors([tf.tensor1d(ids, "int32")], ([previous]) =>
      model.stepAttended!(previous as tf.Tensor1D, state, pass),
    );
    const { logits, attention } = step;
    const { result, state: next } = readStep(model, step, [logits, attention], () => ({
      best: readCandidates(topCandidates(logits, scoring, size), ids.length),
      attention: Float32Array.from(attention.dataSync()),
    }));
    return { ...result, time: attention.shape[1], state: next };
  };
}

/**
 * Makes arrays of a step's tensors, which it frees.
 * @throws what `read` throws, once the step's state is freed too
 */
function readStep<T>(
  model: Seq2SeqModel,
  { state }: { readonly state: DecodeState },
  tensors: readonly tf.Tensor[],
  read: () => T,
): { result: T; state: DecodeState } {
  try {
    tf.engine().startScope();
    return { result: read(), state };
  } catch (error) {
    model.disposeState(state);
    throw error;
  } finally {
    tf.engine().endScope();
    tf.dispose([...tensors]);
  }
}

function withTensors<T>(tensors: tf.Tensor[], use: (tensors: tf.Tensor[]) => T): T {
  try {
    return use(tensors);
  } finally {
    tf.dispose(tensors);
  }
}
