/**
 * Beam search by NeurST's rules. Finished hypotheses stay in the beam and may only emit EOS at cost
 * 0; the first step expands one hypothesis; a sentence ends when its whole beam is finished or at
 * its length limit. Scores with the length penalty decide both pruning and the final order.
 * @see bytedance/neurst, neurst/layers/search/beam_search.py
 */
import {
  makeRowCandidates,
  type RowCandidates,
  type RowScoring,
  topCandidates,
} from "../core/top-candidates.ts";
import { checkSources, decodeLimit, resolveDecodeOptions } from "./decode-options.ts";
import type { DecodeOptions, ResolvedDecodeOptions } from "./decode-options.ts";
import { type Hypothesis, lengthFactor } from "./hypothesis.ts";
import type { StepScorer } from "./step-scorer.ts";
import { TopCandidates } from "./top-candidates.ts";

/**
 * Decodes one batch.
 * @param sources ids with EOS
 * @returns for each source its `topK` best hypotheses, best first
 */
export function beamSearch<State>(
  scorer: StepScorer<State>,
  sources: readonly Int32Array[],
  options: DecodeOptions,
): Hypothesis[][] {
  const o = resolveDecodeOptions(options, scorer.vocabSize);
  checkSources(sources, scorer.vocabSize);
  if (sources.length === 0) return [];
  const beams = sources.map((source, i) => new SentenceBeam(i, decodeLimit(source.length, o), o));
  let live: readonly SentenceBeam[] = beams;
  let ids = new Int32Array(sources.length).fill(o.special.bos);
  let state = scorer.start(sources);
  for (let time = 0; ; time++) {
    const step = stepTop(scorer, state, ids, scoringAt(time, live, o), o.beamSize);
    try {
      for (const beam of live) beam.advance(step.best);
    } catch (error) {
      scorer.dispose(step.state);
      throw error;
    }
    live = live.filter((beam) => !beam.isDone);
    if (live.length === 0) {
      scorer.dispose(step.state);
      return beams.map((beam) => beam.best());
    }
    const parents = Int32Array.from(live.flatMap((beam) => beam.unfinishedRows()));
    const isSame = parents.length === ids.length && parents.every((row, i) => row === i);
    state = isSame ? step.state : scorer.gather(step.state, parents);
    ids = Int32Array.from(live.flatMap((beam) => beam.unfinishedTokens()));
    let next = 0;
    for (const beam of live) next = beam.moveRows(next);
  }
}

/** How the rows of a step are scored: all their hypotheses have `time` tokens. */
function scoringAt(
  time: number,
  live: readonly SentenceBeam[],
  { special, enableUnk, minimumDecodeLength, lengthPenalty }: ResolvedDecodeOptions,
): RowScoring {
  return {
    accumulated: Float32Array.from(live.flatMap((beam) => beam.unfinishedLogProbs())),
    factor: lengthFactor(time + 1, lengthPenalty),
    maskedA: enableUnk ? -1 : special.unk,
    maskedB: time < minimumDecodeLength - 1 ? special.eos : -1,
  };
}

/** One step of a scorer, and the best tokens of its rows, whoever chooses them. */
function stepTop<State>(
  scorer: StepScorer<State>,
  state: State,
  ids: Int32Array,
  scoring: RowScoring,
  size: number,
): { best: RowCandidates; state: State } {
  if (scorer.stepTop !== undefined) return scorer.stepTop(state, ids, scoring, size);
  const step = scorer.step(state, ids);
  const best = makeRowCandidates(ids.length, size);
  topCandidates(step.logProbs, scoring, best);
  return { best, state: step.state };
}

/** One step of one sentence's beam: where each hypothesis came from and what it added. */
interface BeamStep {
  readonly parents: Int32Array;
  readonly tokens: Int32Array;
}

/** The beam of one sentence. */
class SentenceBeam {
  readonly #options: ResolvedDecodeOptions;
  readonly #limit: number;
  readonly #candidates: TopCandidates;
  readonly #steps: BeamStep[] = [];
  #logProbs = new Float32Array(1);
  #lengths = new Int32Array(1);
  #isFinished = [false];
  /** Row of the scorer's state that holds each hypothesis; of no meaning once it is finished. */
  #rows: number[];

  constructor(row: number, limit: number, options: ResolvedDecodeOptions) {
    this.#options = options;
    this.#limit = limit;
    this.#candidates = new TopCandidates(options.beamSize);
    this.#rows = [row];
  }

  get isDone(): boolean {
    return this.#steps.length >= this.#limit || this.#isFinished.every(Boolean);
  }

  /** Takes one step. @param best the best tokens of each row of the state */
  advance(best: RowCandidates): void {
    const { special, lengthPenalty } = this.#options;
    const candidates = this.#candidates;
    candidates.clear();
    for (let beam = 0; beam < this.#rows.length; beam++) {
      if (!this.#isFinished[beam]!) {
        candidates.offerRow(beam, best, this.#rows[beam]!);
        continue;
      }
      const logProb = this.#logProbs[beam]!;
      const score = Math.fround(logProb * lengthFactor(this.#lengths[beam]!, lengthPenalty));
      candidates.offer(beam, special.eos, logProb, score);
    }
    this.#keep(candidates);
  }

  #keep(best: TopCandidates): void {
    const parents = best.beams.slice(0, best.count);
    const tokens = best.tokens.slice(0, best.count);
    const wasFinished = this.#isFinished;
    const lengths = this.#lengths;
    const rows = this.#rows;
    this.#steps.push({ parents, tokens });
    this.#logProbs = best.logProbs.slice(0, best.count);
    this.#lengths = parents.map((beam) => lengths[beam]! + (wasFinished[beam]! ? 0 : 1));
    this.#isFinished = Array.from(tokens, (token) => token === this.#options.special.eos);
    this.#rows = Array.from(parents, (beam) => rows[beam]!);
  }

  /** State rows of the unfinished hypotheses. */
  unfinishedRows(): number[] {
    return this.#rows.filter((_, beam) => !this.#isFinished[beam]!);
  }

  /** Log-probabilities of the unfinished hypotheses. */
  unfinishedLogProbs(): number[] {
    return Array.from(this.#logProbs).filter((_, beam) => !this.#isFinished[beam]!);
  }

  /** Last tokens of the unfinished hypotheses. */
  unfinishedTokens(): number[] {
    const last = this.#steps.at(-1)!.tokens;
    return Array.from(last).filter((_, beam) => !this.#isFinished[beam]!);
  }

  /** Numbers the rows of the unfinished hypotheses from `first`; returns the next free number. */
  moveRows(first: number): number {
    let next = first;
    this.#rows = this.#rows.map((row, beam) => (this.#isFinished[beam]! ? row : next++));
    return next;
  }

  /** The `topK` best hypotheses; equal scores keep their order in the beam. */
  best(): Hypothesis[] {
    const { lengthPenalty, topK } = this.#options;
    const all = this.#rows.map((_, beam): Hypothesis => {
      const logProb = this.#logProbs[beam]!;
      const factor = lengthFactor(this.#lengths[beam]!, lengthPenalty);
      return {
        tokens: this.#tokensOf(beam),
        score: Math.fround(logProb * factor),
        logProb,
        finished: this.#isFinished[beam]!,
      };
    });
    return all.sort((a, b) => b.score - a.score).slice(0, topK);
  }

  #tokensOf(beam: number): Int32Array {
    const tokens = new Int32Array(this.#steps.length);
    let at = beam;
    for (let time = this.#steps.length - 1; time >= 0; time--) {
      const step = this.#steps[time]!;
      tokens[time] = step.tokens[at]!;
      at = step.parents[at]!;
    }
    return tokens.slice(0, this.#lengths[beam]);
  }
}
