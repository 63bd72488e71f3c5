/** Decoding: token ids or lines to translations. */
import { decodeCorpus } from "../decode/decode-corpus.ts";
import type { DecodeOptions } from "../decode/decode-options.ts";
import type { StepScorer } from "../decode/step-scorer.ts";
import type { StepProgress } from "./run-reporter.ts";
import type { Recipe } from "./schema.ts";
import type { TranslationTask } from "./translation-task.ts";

/** How sequences are searched for. */
export type Search = Recipe["search_method"];

/** One translation of a line. */
export interface Translation {
  readonly text: string;
  /** log-probability times length factor. */
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
function searchOptions(search: Search, task: TranslationTask, seed: number): DecodeOptions {
  const common = {
    special: task.special,
    maximumDecodeLength: search.maximum_decode_length ?? null,
    minimumDecodeLength: search.minimum_decode_length,
    extraDecodeLength: search.extra_decode_length,
    enableUnk: search.enable_unk,
    seed,
  };
  switch (search.class) {
    case "beam_search":
      return {
        ...common,
        method: "beam",
        beamSize: search.beam_size,
        lengthPenalty: search.length_penalty,
        topK: search.top_k,
      };
    case "greedy_search":
      return { ...common, method: "greedy" };
    case "top_sampling":
      return {
        ...common,
        method: "sampling",
        sampleNum: search.sample_num,
        samplingTopK: search.top_k,
        samplingTopP: search.top_p,
      };
  }
}
