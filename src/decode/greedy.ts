/** Greedy decoding: at each step the most probable token; a beam of one. */
import { beamSearch } from "./beam-search.ts";
import type { DecodeOptions } from "./decode-options.ts";
import type { Hypothesis } from "./hypothesis.ts";
import type { StepScorer } from "./step-scorer.ts";

/** Decodes one batch greedily; scores carry the length penalty as in beam search. */
export function greedySearch<State>(
  scorer: StepScorer<State>,
  sources: readonly Int32Array[],
  options: Omit<DecodeOptions, "method" | "beamSize" | "topK">,
): Hypothesis[] {
  const hypotheses = beamSearch(scorer, sources, { ...options, method: "greedy" });
  return hypotheses.map((best) => best[0]!);
}
