/**
 * Beam search by GNMT's rules: sums of log-probabilities alone decide pruning; length normalisation
 * and coverage penalty choose among the hypotheses at the end.
 *
 * score = Σ logProb / ((K + L) / (K + 1))^α + β · Σ_s log(min(A_s, 1))
 *
 * with L the tokens, BOS and EOS included, and A_s the attention that source token s received while
 * the hypothesis was unfinished; tokens with A_s = 0 are left out of the sum. Finished hypotheses
 * stay in the beam at no further cost, the first step expands one hypothesis, and a sentence ends
 * when its whole beam is finished or at the limit.
 * @see Wu et al. 2016, arXiv:1609.08144, section 7; mlcommons/training, retired_benchmarks/gnmt,
 * pytorch/seq2seq/inference/beam_search.py
 */
import type { RowCandidates } from "../core/top-candidates.ts";
import { ConfigError } from "../errors.ts";
import { checkSources } from "./decode-options.ts";
import {
  type GnmtSearchOptions,
  type ResolvedGnmtSearchOptions,
  resolveGnmtSearchOptions,
} from "./gnmt-search-options.ts";
import type { Hypothesis } from "./hypothesis.ts";
import { BeamHypotheses, runBeams, type SentenceBeam } from "./sentence-beam.ts";
import { isAttending, type StepScorer } from "./step-scorer.ts";
import { TopCandidates } from "./top-candidates.ts";

const f = Math.fround;

/**
 * Decodes one batch.
 *
 * With `compat: "mlperf"` two quirks of MLPerf's code are kept. Coverage stays with the place in
 * the beam when hypotheses change places, so that a score may use the attention of others. And
 * sentences that reach the limit, even those whose beams finish with the last token, compare plain
 * sums of log-probabilities. (For a beam of one MLPerf keeps no scores; the same rules give one.)
 * @param scorer an {@link AttendingScorer}
 * @param sources ids with EOS
 * @returns for each source its `topK` best hypotheses, best first; equal scores keep their order in
 * the beam. `score` is the formula above, float32
 * @throws {ConfigError} if the scorer does not say how its model attends, or for unusable options
 */
export function gnmtBeamSearch<State>(
  scorer: StepScorer<State>,
  sources: readonly Int32Array[],
  options: GnmtSearchOptions,
): Hypothesis[][] {
  if (!isAttending(scorer)) {
    throw new ConfigError(
      `gnmt_beam_search: expected a model that says how it attends to its source, received one ` +
        `that does not. Choose search_method beam_search.`,
    );
  }
  const o = resolveGnmtSearchOptions(options, scorer.vocabSize);
  checkSources(sources, scorer.vocabSize);
  if (sources.length === 0) return [];
  const beams = sources.map((source, i) => new GnmtBeam(i, source.length, o));
  const maskedA = o.enableUnk ? -1 : o.special.unk;
  runBeams<State, AttendedStep & { state: State }>({
    scorer,
    sources,
    bos: o.special.bos,
    beams,
    step: (state, ids, accumulated) =>
      scorer.stepAttended(state, ids, { accumulated, factor: 1, maskedA, maskedB: -1 }, o.beamSize),
  });
  return beams.map((beam) => beam.best());
}

interface AttendedStep {
  readonly best: RowCandidates;
  readonly attention: Float32Array;
  readonly time: number;
}

/** The beam of one sentence by GNMT's rules. */
class GnmtBeam implements SentenceBeam<AttendedStep> {
  readonly hypotheses: BeamHypotheses;
  readonly #options: ResolvedGnmtSearchOptions;
  readonly #candidates: TopCandidates;
  /** Attention that each source token received, for each hypothesis (place in the beam: `mlperf`). */
  #coverage: Float32Array[];

  constructor(row: number, sourceLength: number, options: ResolvedGnmtSearchOptions) {
    this.hypotheses = new BeamHypotheses(row, options.special.eos);
    this.#options = options;
    this.#candidates = new TopCandidates(options.beamSize);
    this.#coverage = [new Float32Array(sourceLength)];
  }

  get isDone(): boolean {
    return this.#isAtLimit || this.hypotheses.isFinished.every(Boolean);
  }

  get #isAtLimit(): boolean {
    return this.hypotheses.steps >= this.#options.maxSeqLen - 1;
  }

  advance(step: AttendedStep): void {
    const { special, compat } = this.#options;
    const { logProbs, isFinished, rows } = this.hypotheses;
    const candidates = this.#candidates;
    candidates.clear();
    const attended = this.#coverage.map((coverage, beam) => {
      if (!isFinished[beam]!) {
        candidates.offerRow(beam, step.best, rows[beam]!);
        return plusAttention(coverage, step, rows[beam]!);
      }
      candidates.offer(beam, special.eos, logProbs[beam]!, logProbs[beam]!);
      return coverage;
    });
    const parents = this.hypotheses.keep(candidates);
    // In the first step all places of MLPerf's beam hold the same hypothesis.
    const stays = compat === "mlperf" && attended.length > 1;
    this.#coverage = stays ? attended : Array.from(parents, (beam) => attended[beam]!);
  }

  /** The `topK` best hypotheses; equal scores keep their order in the beam. */
  best(): Hypothesis[] {
    const { logProbs, isFinished } = this.hypotheses;
    const isRaw = this.#options.compat === "mlperf" && this.#isAtLimit;
    const all = this.#coverage.map((coverage, beam): Hypothesis => {
      const logProb = logProbs[beam]!;
      return {
        tokens: this.hypotheses.tokensOf(beam),
        score: isRaw ? logProb : this.#scoreOf(beam, coverage),
        logProb,
        finished: isFinished[beam]!,
      };
    });
    return all.sort((a, b) => b.score - a.score).slice(0, this.#options.topK);
  }

  #scoreOf(beam: number, coverage: Float32Array): number {
    const { covPenaltyFactor } = this.#options;
    const length = this.hypotheses.lengths[beam]! + 1; // BOS counts
    const normalised = f(this.hypotheses.logProbs[beam]! / lengthPenalty(length, this.#options));
    return f(normalised + f(f(covPenaltyFactor) * coverageLog(coverage)));
  }
}

/** coverage + the attention of one row. */
function plusAttention(coverage: Float32Array, step: AttendedStep, row: number): Float32Array {
  return coverage.map((sum, s) => sum + step.attention[row * step.time + s]!);
}

/** ((K + L) / (K + 1))^α, float32. */
function lengthPenalty(length: number, o: ResolvedGnmtSearchOptions): number {
  const ratio = f(f(o.lenNormConst + length) / (o.lenNormConst + 1));
  return f(ratio ** f(o.lenNormFactor));
}

/** Σ log(min(A, 1)) over the A above 0, float32, added in order. */
function coverageLog(coverage: Float32Array): number {
  return coverage.reduce((sum, a) => (a > 0 ? f(sum + f(Math.log(Math.min(a, 1)))) : sum), 0);
}
