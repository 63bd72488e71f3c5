/** What beam searches share: the hypotheses of a sentence, and the steps that all sentences take together. */
import type { StepScorer } from "./step-scorer.ts";
import type { TopCandidates } from "./top-candidates.ts";

/** The beam of one sentence under some search's rules. */
export interface SentenceBeam<Step> {
  readonly hypotheses: BeamHypotheses;
  /** True when no step is wanted any more. */
  readonly isDone: boolean;
  /** Takes one step. @param step what the scorer said of the rows of its state */
  advance(step: Step): void;
}

/** One step of one sentence's beam: where each hypothesis came from and what it added. */
interface BeamStep {
  readonly parents: Int32Array;
  readonly tokens: Int32Array;
}

/** The hypotheses of one sentence, best first, and where each came from. */
export class BeamHypotheses {
  /** Sum of the log-probabilities of each hypothesis, float32. */
  logProbs = new Float32Array(1);
  /** Tokens of each hypothesis, EOS included. */
  lengths = new Int32Array(1);
  isFinished = [false];
  /** Row of the scorer's state that holds each hypothesis; of no meaning once it is finished. */
  rows: number[];
  readonly #eos: number;
  readonly #steps: BeamStep[] = [];

  /** Starts with one empty hypothesis. */
  constructor(row: number, eos: number) {
    this.rows = [row];
    this.#eos = eos;
  }

  get steps(): number {
    return this.#steps.length;
  }

  /** Replaces the hypotheses by the kept candidates. @returns where each came from */
  keep(best: TopCandidates): Int32Array {
    const parents = best.beams.slice(0, best.count);
    const tokens = best.tokens.slice(0, best.count);
    const { isFinished, lengths, rows } = this;
    this.#steps.push({ parents, tokens });
    this.logProbs = best.logProbs.slice(0, best.count);
    this.lengths = parents.map((beam) => lengths[beam]! + (isFinished[beam]! ? 0 : 1));
    this.isFinished = Array.from(tokens, (token) => token === this.#eos);
    this.rows = Array.from(parents, (beam) => rows[beam]!);
    return parents;
  }

  /** State rows of the unfinished hypotheses. */
  unfinishedRows(): number[] {
    return this.rows.filter((_, beam) => !this.isFinished[beam]!);
  }

  /** Log-probabilities of the unfinished hypotheses. */
  unfinishedLogProbs(): number[] {
    return Array.from(this.logProbs).filter((_, beam) => !this.isFinished[beam]!);
  }

  /** Last tokens of the unfinished hypotheses. */
  unfinishedTokens(): number[] {
    const last = this.#steps.at(-1)!.tokens;
    return Array.from(last).filter((_, beam) => !this.isFinished[beam]!);
  }

  /** Numbers the rows of the unfinished hypotheses from `first`; returns the next free number. */
  moveRows(first: number): number {
    let next = first;
    this.rows = this.rows.map((row, beam) => (this.isFinished[beam]! ? row : next++));
    return next;
  }

  /** Tokens of a hypothesis, the final EOS included if there is one. */
  tokensOf(beam: number): Int32Array {
    const tokens = new Int32Array(this.#steps.length);
    let at = beam;
    for (let time = this.#steps.length - 1; time >= 0; time--) {
      const step = this.#steps[time]!;
      tokens[time] = step.tokens[at]!;
      at = step.parents[at]!;
    }
    return tokens.slice(0, this.lengths[beam]);
  }
}

/** The sentences of a batch and how they are scored. */
export interface BeamRun<State, Step extends { readonly state: State }> {
  readonly scorer: StepScorer<State>;
  readonly sources: readonly Int32Array[];
  /** First input of the decoder. */
  readonly bos: number;
  /** One for each source. */
  readonly beams: readonly SentenceBeam<Step>[];
  /**
   * Scores the next token of every row. Consumes `state`.
   * @param accumulated log-probabilities of the rows, all of `time` tokens
   */
  readonly step: (state: State, ids: Int32Array, accumulated: Float32Array, time: number) => Step;
}

/** Steps all beams together until each is done. Finished hypotheses leave the scorer's state. */
export function runBeams<State, Step extends { readonly state: State }>(
  run: BeamRun<State, Step>,
): void {
  const { scorer, sources, beams } = run;
  let live = beams;
  let ids = new Int32Array(sources.length).fill(run.bos);
  let state = scorer.start(sources);
  for (let time = 0; ; time++) {
    const accumulated = Float32Array.from(live.flatMap((b) => b.hypotheses.unfinishedLogProbs()));
    const step = run.step(state, ids, accumulated, time);
    try {
      for (const beam of live) beam.advance(step);
    } catch (error) {
      scorer.dispose(step.state);
      throw error;
    }
    live = live.filter((beam) => !beam.isDone);
    if (live.length === 0) {
      scorer.dispose(step.state);
      return;
    }
    const parents = Int32Array.from(live.flatMap((beam) => beam.hypotheses.unfinishedRows()));
    const isSame = parents.length === ids.length && parents.every((row, i) => row === i);
    state = isSame ? step.state : scorer.gather(step.state, parents);
    ids = Int32Array.from(live.flatMap((beam) => beam.hypotheses.unfinishedTokens()));
    let next = 0;
    for (const beam of live) next = beam.hypotheses.moveRows(next);
  }
}
