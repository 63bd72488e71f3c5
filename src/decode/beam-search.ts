/**
 * Beam search by NeurST's rules. Finished hypotheses stay in the beam and may only emit EOS at cost
 * 0; the first step expands one hypothesis; a sentence ends when its whole beam is finished or at
 * its length limit. Scores with the length penalty decide both pruning and the final order.
 * @see bytedance/neurst, neurst/layers/search/beam_search.py
 */
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
  for (;;) {
    const step = scorer.step(state, ids);
    try {
      for (const beam of live) beam.advance(step.logProbs, scorer.vocabSize);
    } catch (error) {
      scorer.dispose(step.state);
      throw error;
    }
    live = live.filter((beam) => !beam.isDone);
    if (live.length === 0) {
      scorer.dispose(step.state);
      return beams.map((beam) => beam.best());
    }
    const plan = planRows(live, ids.length, o.special.eos);
    state = plan.rows === null ? step.state : scorer.gather(step.state, plan.rows);
    ids = plan.ids;
  }
}

/**
 * Which rows of the state the next step needs, and its input ids. Only unfinished hypotheses have a
 * row. The state is left as it is (`rows` null) where rows keep their places and at least three
 * quarters of them are needed: copying would cost more than it saves.
 */
function planRows(
  live: readonly SentenceBeam[],
  rowCount: number,
  eos: number,
): { rows: Int32Array | null; ids: Int32Array<ArrayBuffer> } {
  const parents = live.flatMap((beam) => beam.unfinishedRows());
  const tokens = live.flatMap((beam) => beam.unfinishedTokens());
  const inPlace = parents.every((row, i) => i === 0 || row > parents[i - 1]!);
  if (inPlace && parents.length * 4 >= rowCount * 3) {
    const ids = new Int32Array(rowCount).fill(eos);
    parents.forEach((row, i) => (ids[row] = tokens[i]!));
    return { rows: null, ids };
  }
  let next = 0;
  for (const beam of live) next = beam.moveRows(next);
  return { rows: Int32Array.from(parents), ids: Int32Array.from(tokens) };
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

  /** Takes one step. @param logProbs [rows · vocabSize] */
  advance(logProbs: Float32Array, vocabSize: number): void {
    const { special, enableUnk, minimumDecodeLength, lengthPenalty } = this.#options;
    const best = this.#candidates;
    const isTooShort = this.#steps.length < minimumDecodeLength - 1;
    best.clear();
    for (let beam = 0; beam < this.#rows.length; beam++) {
      const accumulated = this.#logProbs[beam]!;
      const length = this.#lengths[beam]!;
      if (this.#isFinished[beam]!) {
        const score = Math.fround(accumulated * lengthFactor(length, lengthPenalty));
        best.offer(beam, special.eos, accumulated, score);
        continue;
      }
      best.offerRow(beam, logProbs, [this.#rows[beam]! * vocabSize, vocabSize], {
        accumulated,
        factor: lengthFactor(length + 1, lengthPenalty),
        maskedA: enableUnk ? -1 : special.unk,
        maskedB: isTooShort ? special.eos : -1,
      });
    }
    this.#keep(best);
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
