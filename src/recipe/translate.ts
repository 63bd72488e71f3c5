/** Decoding: token ids or lines to translations. */
import { decodeCorpus, type SearchOptions } from "../decode/decode-corpus.ts";
import type { StepScorer } from "../decode/step-scorer.ts";
import type { StepProgress } from "./run-reporter.ts";
import type { Recipe } from "./schema.ts";
import type { TranslationTask } from "./translation-task.ts";

/** How sequences are searched for. */
export type Search = Recipe["search_method"];

/** One translation of a line. */
export interface Translation {
  readonly text: string;
  /** The score that its search compares. */
  readonly score: number;
  /** False where the length limit cut it off. */
  readonly finished: boolean;
}

/** What {@link translate} needs besides the scorer. */
export interface TranslateOptions {
  readonly task: TranslationTask;
  readonly search: Search;
  /** Sentences decoded together; it does not change results. */
  readonly batchSentences: number;
  /** Seed of sampling. */
  readonly seed: number;
  readonly progress?: StepProgress;
  /** Aborting it ends decoding with an AbortError. */
  readonly signal?: AbortSignal | undefined;
}

/** Translations of each source, best first. */
export async function translate<State>(
  scorer: StepScorer<State>,
  sources: readonly Int32Array[],
  options: TranslateOptions,
): Promise<Translation[][]> {
  const { task, search, batchSentences, seed, progress, signal } = options;
  const decodeOptions = { ...searchOptions(search, task, seed), batchSentences };
  const results = await decodeCorpus(scorer, sources, decodeOptions, async (at) => {
    progress?.update(at.sentences, at.total);
    // Lets signals in: decoding itself never leaves the microtask queue.
    await new Promise((resolve) => setTimeout(resolve, 0));
    signal?.throwIfAborted();
  });
  progress?.end();
  return results.map((hypotheses) =>
    hypotheses.map(({ tokens, score, finished }) => ({
      text: task.target.decode(tokens),
      score,
      finished,
    })),
  );
}

/** A recipe's search in the decoders' terms. */
function searchOptions(search: Search, task: TranslationTask, seed: number): SearchOptions {
  const { special } = task;
  switch (search.class) {
    case "beam_search":
      return {
        ...lengthOptions(search),
        special,
        method: "beam",
        beamSize: search.beam_size,
        lengthPenalty: search.length_penalty,
        topK: search.top_k,
      };
    case "greedy_search":
      return { ...lengthOptions(search), special, method: "greedy" };
    case "gnmt_beam_search":
      return {
        special,
        method: "gnmt",
        beamSize: search.beam_size,
        lenNormFactor: search.len_norm_factor,
        lenNormConst: search.len_norm_const,
        covPenaltyFactor: search.cov_penalty_factor,
        maxSeqLen: search.max_seq_len,
        compat: search.compat,
        topK: search.top_k,
        enableUnk: search.enable_unk || search.compat === "mlperf",
      };
    case "top_sampling":
      return {
        ...lengthOptions(search),
        special,
        method: "sampling",
        sampleNum: search.sample_num,
        samplingTopK: search.top_k,
        samplingTopP: search.top_p,
        seed,
      };
  }
}

/** What all searches by NeurST's rules have in common. */
function lengthOptions(search: Exclude<Search, { class: "gnmt_beam_search" }>) {
  return {
    maximumDecodeLength: search.maximum_decode_length ?? null,
    minimumDecodeLength: search.minimum_decode_length,
    extraDecodeLength: search.extra_decode_length,
    enableUnk: search.enable_unk,
  };
}
