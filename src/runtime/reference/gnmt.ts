/**
 * GNMT on plain arrays: int32 products of codes, float32 elsewhere in the order that `core/` defines.
 * It reads an int8 export and nothing else, one sentence at a time.
 */
import { add } from "../../core/elementwise.ts";
import { logSoftmax } from "../../core/softmax.ts";
import {
  makeRowCandidates,
  type RowCandidates,
  type RowScoring,
  topCandidates,
} from "../../core/top-candidates.ts";
import { attendTo, type BahdanauMemory, memorize } from "./bahdanau.ts";
import { rowsOf } from "./embedding.ts";
import type { ReferenceExecutor } from "./executor.ts";
import type { GnmtWeights } from "./gnmt-load.ts";
import { valuesOf } from "./layers.ts";
import { type LstmState, type LstmWeights, runLstm } from "./lstm.ts";
import { linear } from "./product.ts";
import type { Trace } from "./trace.ts";

/** One hypothesis: its source, and the states of the decoder's LSTMs; null before the first step. */
interface GnmtHypothesis {
  readonly memory: BahdanauMemory;
  readonly states: readonly LstmState[] | null;
}

/** Hypotheses, one for each row. */
type GnmtState = readonly GnmtHypothesis[];

/** Consecutive positions of one sentence through the decoder. */
interface Decoded {
  readonly logits: Float32Array;
  readonly attention: Float32Array;
  readonly states: readonly LstmState[];
}

const SILENT: Trace = {};

/** Runs an int8 export of GNMT; fits where decoding expects a step scorer that attends. */
export class ReferenceGnmt implements ReferenceExecutor {
  readonly #weights: GnmtWeights;
  readonly vocabSize: number;

  constructor(weights: GnmtWeights) {
    this.#weights = weights;
    this.vocabSize = weights.vocabulary.target_size;
  }

  /**
   * Teacher-forced logits of one sentence.
   * @param source ids with EOS
   * @param targetInput BOS, then the target without its last token
   * @returns float32 [time, vocabSize]
   */
  logits(source: Int32Array, targetInput: Int32Array, trace: Trace = SILENT): Float32Array {
    const memory = this.#memorize(source, trace);
    return this.#decode(targetInput, { memory, states: null }, trace).logits;
  }

  /** Encodes sources; one row for each. */
  start(sources: readonly Int32Array[]): GnmtState {
    return sources.map((source) => ({ memory: this.#memorize(source, SILENT), states: null }));
  }

  /**
   * Advances every row by one token.
   * @param ids [rows], the previous token of each row
   * @returns natural log-probabilities [rows · vocabSize], and the state after the tokens
   */
  step(state: GnmtState, ids: Int32Array): { logProbs: Float32Array; state: GnmtState } {
    const { logProbs, next } = this.#steps(state, ids);
    return { logProbs, state: next };
  }

  /** {@link step}'s best tokens, with the attention [rows, time] of each row to its source. */
  stepAttended(
    state: GnmtState,
    ids: Int32Array,
    scoring: RowScoring,
    size: number,
  ): { best: RowCandidates; attention: Float32Array; time: number; state: GnmtState } {
    const { logProbs, attentions, next } = this.#steps(state, ids);
    const best = makeRowCandidates(ids.length, size);
    topCandidates(logProbs, scoring, best);
    const time = Math.max(...attentions.map((weights) => weights.length));
    const attention = new Float32Array(ids.length * time);
    attentions.forEach((weights, row) => {
      attention.set(weights, row * time);
    });
    return { best, attention, time, state: next };
  }

  /** Rows of a state by index; repeats and drops allowed. */
  gather(state: GnmtState, rows: Int32Array): GnmtState {
    return Array.from(rows, (row) => state[row]!);
  }

  /** Nothing to free: states are plain arrays. */
  dispose(): void {
    return;
  }

  #steps(state: GnmtState, ids: Int32Array) {
    const rows = state.map((row, i) => this.#decode(ids.subarray(i, i + 1), row, SILENT));
    const logits = new Float32Array(rows.length * this.vocabSize);
    rows.forEach((row, i) => {
      logits.set(row.logits, i * this.vocabSize);
    });
    const logProbs = new Float32Array(logits.length);
    logSoftmax(logits, logProbs, rows.length, this.vocabSize);
    const next = state.map(({ memory }, i) => ({ memory, states: rows[i]!.states }));
    return { logProbs, attentions: rows.map((row) => row.attention), next };
  }

  #memorize(source: Int32Array, trace: Trace): BahdanauMemory {
    const { encoder, encoderBackward, memory, attention } = this.#weights;
    const through = (x: Float32Array, lstm: LstmWeights): Float32Array =>
      valuesOf(runLstm(x, lstm, null, trace).outputs);
    const units = encoder[0]!.units;
    const x = rowsOf(this.#weights.source, source, "token id");
    const forward = through(x, encoder[0]!);
    const backward = through(reversed(x, units), encoderBackward);
    const both = sideBySide(forward, reversed(backward, units), units);
    const output = encoder.slice(1).reduce((input, lstm, i) => {
      const result = through(input, lstm);
      return i === 0 ? result : add(result, input, result);
    }, both);
    return memorize(memory.apply(output, trace), attention, trace);
  }

  #decode(ids: Int32Array, { memory, states }: GnmtHypothesis, trace: Trace): Decoded {
    const { target, attRnn, attention, decoder, classifier, classifierInput } = this.#weights;
    const after: LstmState[] = [];
    const through = (x: Float32Array, lstm: LstmWeights) => {
      const run = runLstm(x, lstm, states?.[after.length] ?? null, trace);
      after.push(run.last);
      return run.outputs;
    };
    const r = through(rowsOf(target, ids, "token id"), attRnn);
    const attended = attendTo(r, memory, attention, trace);
    const output = decoder.reduce((input, lstm, i) => {
      const result = valuesOf(through(sideBySide(input, attended.context, attRnn.units), lstm));
      return i === 0 ? result : add(result, input, result);
    }, valuesOf(r));
    const logits = linear(classifierInput.apply(output, trace), classifier, trace);
    return { logits, attention: attended.probabilities, states: after };
  }
}

/** Rows from the last to the first. */
function reversed(x: Float32Array, width: number): Float32Array {
  const rows = x.length / width;
  const y = new Float32Array(x.length);
  for (let i = 0; i < rows; i++) {
    y.set(x.subarray(i * width, (i + 1) * width), (rows - 1 - i) * width);
  }
  return y;
}

/** Rows of two arrays side by side. */
function sideBySide(a: Float32Array, b: Float32Array, width: number): Float32Array {
  const both = new Float32Array(a.length + b.length);
  for (let at = 0; at < a.length; at += width) {
    both.set(a.subarray(at, at + width), 2 * at);
    both.set(b.subarray(at, at + width), 2 * at + width);
  }
  return both;
}
