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
import { BeamHypotheses, runBeams, type SentenceBeam } from "./sentence-beam.ts";
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
  const beams = sources.map((source, i) => new NeurstBeam(i, decodeLimit(source.length, o), o));
  runBeams<State, TopStep<State>>({
    scorer,
    sources,
    bos: o.special.bos,
    beams,
    step: (state, ids, accumulated, time) =>
      stepTop(scorer, state, ids, scoringAt(time, accumulated, o), o.beamSize),
  });
  return beams.map((beam) => beam.best());
}

/** How the rows of a step are scored: all their hypotheses have `time` tokens. */
function scoringAt(
  time: number,
  accumulated: Float32Array,
  { special, enableUnk, minimumDecodeLength, lengthPenalty }: ResolvedDecodeOptions,
): RowScoring {
  return {
    accumulated,
    factor: lengthFactor(time + 1, lengthPenalty),
    maskedA: enableUnk ? -1 : special.unk,
    maskedB: time < minimumDecodeLength - 1 ? special.eos : -1,
  };
}

interface TopStep<State> {
  readonly best: RowCandidates;
  readonly state: State;
}

/** One step of a scorer, and the best tokens of its rows, whoever chooses them. */
function stepTop<State>(
  scorer: StepScorer<State>,
  state: State,
  ids: Int32Array,
  scoring: RowScoring,
  size: number,
): TopStep<State> {
  if (scorer.stepTop !== undefined) return scorer.stepTop(state, ids, scoring, size);
  const step = scorer.step(state, ids);
  const best = makeRowCandidates(ids.length, size);
  topCandidates(step.logProbs, scoring, best);
  return { best, state: step.state };
}

/** The beam of one sentence by NeurST's rules. */
class NeurstBeam implements SentenceBeam<TopStep<unknown>> {
  readonly hypotheses: BeamHypotheses;
  readonly #options: ResolvedDecodeOptions;
  readonly #limit: number;
  readonly #candidates: TopCandidates;

  constructor(row: number, limit: number, options: ResolvedDecodeOptions) {
    this.hypotheses = new BeamHypotheses(row, options.special.eos);
    this.#options = options;
    this.#limit = limit;
    this.#candidates = new TopCandidates(options.beamSize);
  }

  get isDone(): boolean {
    return this.hypotheses.steps >= this.#limit || this.hypotheses.isFinished.every(Boolean);
  }

  advance({ best }: TopStep<unknown>): void {
    const { logProbs, isFinished, rows } = this.hypotheses;
    const candidates = this.#candidates;
    candidates.clear();
    for (let beam = 0; beam < rows.length; beam++) {
      if (isFinished[beam]!) {
        candidates.offer(beam, this.#options.special.eos, logProbs[beam]!, this.#scoreOf(beam));
      } else candidates.offerRow(beam, best, rows[beam]!);
    }
    this.hypotheses.keep(candidates);
  }

  /** The `topK` best hypotheses; equal scores keep their order in the beam. */
  best(): Hypothesis[] {
    const { logProbs, isFinished, rows } = this.hypotheses;
    const all = rows.map((_, beam): Hypothesis => {
      return {
        tokens: this.hypotheses.tokensOf(beam),
        score: this.#scoreOf(beam),
        logProb: logProbs[beam]!,
        finished: isFinished[beam]!,
      };
    });
    return all.sort((a, b) => b.score - a.score).slice(0, this.#options.topK);
  }

  #scoreOf(beam: number): number {
    const factor = lengthFactor(this.hypotheses.lengths[beam]!, this.#options.lengthPenalty);
    return Math.fround(this.hypotheses.logProbs[beam]! * factor);
  }
}
