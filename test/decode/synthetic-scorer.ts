/** A scorer without a model: the scores of a row follow from its source and its tokens so far. */
import { mixBits } from "../../src/core/dropout-hash.ts";
import type { StepScorer } from "../../src/decode/step-scorer.ts";

export interface SyntheticState {
  readonly rows: readonly { readonly source: Int32Array; readonly prefix: readonly number[] }[];
  isLive: boolean;
}

export interface SyntheticOptions {
  readonly vocabSize: number;
  readonly seed: number;
  /** Number of different logits; few make ties common. */
  readonly levels: number;
  /** Added to the logit of EOS, so that sentences end early or late. */
  readonly eosBonus?: number;
  readonly eos: number;
}

/** Counts its live states, and refuses one that was already consumed. */
export class SyntheticScorer implements StepScorer<SyntheticState> {
  readonly vocabSize: number;
  readonly #options: SyntheticOptions;
  liveStates = 0;
  scoredRows = 0;
  steps = 0;

  constructor(options: SyntheticOptions) {
    this.#options = options;
    this.vocabSize = options.vocabSize;
  }

  /** Log-probabilities of the token after `prefix`. */
  logProbsOf(source: Int32Array, prefix: readonly number[]): Float32Array {
    const { vocabSize, seed, levels, eos, eosBonus = 0 } = this.#options;
    let hash = mixBits(seed);
    for (const id of [...source, -1, ...prefix]) hash = mixBits(hash ^ mixBits(id + 7));
    const logits = Float64Array.from({ length: vocabSize }, (_, token) => {
      const level = mixBits(hash ^ mixBits(token + 1000)) % levels;
      return (4 * level) / levels + (token === eos ? eosBonus : 0);
    });
    const sum = logits.reduce((total, logit) => total + Math.exp(logit), 0);
    return Float32Array.from(logits, (logit) => logit - Math.log(sum));
  }

  start(sources: readonly Int32Array[]): SyntheticState {
    return this.#make(sources.map((source) => ({ source, prefix: [] })));
  }

  step(state: SyntheticState, ids: Int32Array) {
    const old = this.#consume(state);
    if (ids.length !== old.length) throw new Error("wrong number of ids");
    this.scoredRows += ids.length;
    this.steps++;
    const rows = old.map(({ source, prefix }, i) => ({ source, prefix: [...prefix, ids[i]!] }));
    const logProbs = new Float32Array(rows.length * this.vocabSize);
    rows.forEach(({ source, prefix }, i) => {
      logProbs.set(this.logProbsOf(source, prefix), i * this.vocabSize);
    });
    return { logProbs, state: this.#make(rows) };
  }

  gather(state: SyntheticState, rows: Int32Array): SyntheticState {
    const old = this.#consume(state);
    return this.#make(Array.from(rows, (row) => old[row]!));
  }

  dispose(state: SyntheticState): void {
    this.#consume(state);
  }

  #make(rows: SyntheticState["rows"]): SyntheticState {
    this.liveStates++;
    return { rows, isLive: true };
  }

  #consume(state: SyntheticState): SyntheticState["rows"] {
    if (!state.isLive) throw new Error("state used after it was consumed");
    state.isLive = false;
    this.liveStates--;
    return state.rows;
  }
}
