/**
 * GNMT's search as the rules say it, one sentence, without any economy: every step lists all
 * continuations of all hypotheses, and what a hypothesis attended to is added up from its prefixes.
 */
import type { ResolvedGnmtSearchOptions } from "../../src/decode/gnmt-search-options.ts";
import type { AttendingSyntheticScorer } from "./attending-scorer.ts";

const f = Math.fround;

interface SlowHypothesis {
  readonly tokens: readonly number[];
  readonly logProb: number;
}

export interface SlowGnmtResult extends SlowHypothesis {
  readonly score: number;
  readonly finished: boolean;
}

/** The sane rule: coverage belongs to the hypothesis, every hypothesis is normalised. */
export function slowGnmtSearch(
  scorer: AttendingSyntheticScorer,
  source: Int32Array,
  o: ResolvedGnmtSearchOptions,
): SlowGnmtResult[] {
  const { bos, eos, unk } = o.special;
  const isFinished = ({ tokens }: SlowHypothesis) => tokens.at(-1) === eos;
  let beam: SlowHypothesis[] = [{ tokens: [], logProb: 0 }];
  for (let length = 2; length <= o.maxSeqLen && !beam.every(isFinished); length++) {
    const all = beam.flatMap((hypothesis): SlowHypothesis[] => {
      if (isFinished(hypothesis)) return [hypothesis];
      const logProbs = scorer.logProbsOf(source, [bos, ...hypothesis.tokens]);
      return Array.from(logProbs, (logProb, token) => ({
        tokens: [...hypothesis.tokens, token],
        logProb: f(hypothesis.logProb + logProb),
      })).filter(({ tokens }) => o.enableUnk || tokens.at(-1) !== unk);
    });
    all.sort((a, b) => b.logProb - a.logProb); // stable: earlier hypothesis, then lower token
    beam = all.slice(0, o.beamSize);
  }
  const results = beam.map((hypothesis) => ({
    ...hypothesis,
    finished: isFinished(hypothesis),
    score: scoreOf(scorer, source, hypothesis, o),
  }));
  return results.sort((a, b) => b.score - a.score).slice(0, o.topK);
}

function scoreOf(
  scorer: AttendingSyntheticScorer,
  source: Int32Array,
  { tokens, logProb }: SlowHypothesis,
  o: ResolvedGnmtSearchOptions,
): number {
  const ratio = f((o.lenNormConst + tokens.length + 1) / (o.lenNormConst + 1));
  const normalised = f(logProb / f(ratio ** f(o.lenNormFactor)));
  let penalty = 0;
  for (let s = 0; s < source.length; s++) {
    let covered = 0;
    for (let t = 0; t < tokens.length; t++) {
      const prefix = [o.special.bos, ...tokens.slice(0, t)];
      covered = f(covered + scorer.attentionOf(source, prefix)[s]!);
    }
    if (covered > 0) penalty = f(penalty + f(Math.log(Math.min(covered, 1))));
  }
  return f(normalised + f(f(o.covPenaltyFactor) * penalty));
}
