/** Settings of GNMT's beam search, with MLPerf's defaults, and their checks. */
import { checkSpecial, isCount, type OptionCheck, optionCheck } from "./option-checks.ts";
import type { SpecialIds } from "./decode-options.ts";

/** How outputs are searched for by GNMT's rules. All fields but `special` have defaults. */
export interface GnmtSearchOptions {
  readonly special: SpecialIds;
  /** Hypotheses kept for each sentence. Default 5. */
  readonly beamSize?: number;
  /** α of the length penalty ((K + length) / (K + 1))^α; 0: none. Default 0.6. */
  readonly lenNormFactor?: number;
  /** K of the length penalty. Default 5. */
  readonly lenNormConst?: number;
  /** β of the coverage penalty; 0: none. Default 0.1. */
  readonly covPenaltyFactor?: number;
  /**
   * Longest output as MLPerf counts it: BOS, which is not part of a hypothesis, its tokens, and EOS.
   * So 80 lets at most 79 tokens be generated. Default 80, as `translate.py`.
   */
  readonly maxSeqLen?: number;
  /**
   * `none`: coverage goes with its hypothesis, and outputs cut off at the limit are scored like
   * finished ones. `mlperf`: what MLPerf's code does, see {@link gnmtBeamSearch}. Default `none`.
   */
  readonly compat?: "none" | "mlperf";
  /** True lets the unknown token be generated. Default: only with `mlperf`, which masks nothing. */
  readonly enableUnk?: boolean;
  /** Hypotheses returned for each sentence, best first; at most `beamSize`. Default 1. */
  readonly topK?: number;
}

const check: OptionCheck = optionCheck("gnmt_beam_search");

/** {@link GnmtSearchOptions} with every default filled in and checked. */
export type ResolvedGnmtSearchOptions = Required<GnmtSearchOptions>;

/**
 * Fills defaults in and checks every value.
 * @throws {ConfigError}
 */
export function resolveGnmtSearchOptions(
  options: GnmtSearchOptions,
  vocabSize: number,
): ResolvedGnmtSearchOptions {
  const o: ResolvedGnmtSearchOptions = {
    special: options.special,
    beamSize: options.beamSize ?? 5,
    lenNormFactor: options.lenNormFactor ?? 0.6,
    lenNormConst: options.lenNormConst ?? 5,
    covPenaltyFactor: options.covPenaltyFactor ?? 0.1,
    maxSeqLen: options.maxSeqLen ?? 80,
    compat: options.compat ?? "none",
    enableUnk: options.enableUnk ?? options.compat === "mlperf",
    topK: options.topK ?? 1,
  };
  checkSpecial(o.special, vocabSize, check);
  // The first step must offer a beam's worth of tokens.
  const most = o.enableUnk ? vocabSize : vocabSize - 1;
  check(isCount(o.beamSize, 1) && o.beamSize <= most, "beam_size", `1 to ${most}`, o.beamSize);
  check(Number.isFinite(o.lenNormFactor), "len_norm_factor", "a number", o.lenNormFactor);
  const hasConst = Number.isFinite(o.lenNormConst) && o.lenNormConst >= 0;
  check(hasConst, "len_norm_const", "a number from 0", o.lenNormConst);
  const hasCoverage = Number.isFinite(o.covPenaltyFactor) && o.covPenaltyFactor >= 0;
  check(hasCoverage, "cov_penalty_factor", "a number from 0", o.covPenaltyFactor);
  check(isCount(o.maxSeqLen, 2), "max_seq_len", "an integer from 2", o.maxSeqLen);
  const fits = isCount(o.topK, 1) && o.topK <= o.beamSize;
  check(fits, "top_k", `1 to beam_size (${o.beamSize})`, o.topK);
  return o;
}
