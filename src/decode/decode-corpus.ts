/** Decodes many sentences: sorted by length, in batches, with the results in input order. */
import { ConfigError } from "../errors.ts";
import { beamSearch } from "./beam-search.ts";
import { checkSources, type DecodeOptions, resolveDecodeOptions } from "./decode-options.ts";
import { gnmtBeamSearch } from "./gnmt-beam-search.ts";
import type { GnmtSearchOptions } from "./gnmt-search-options.ts";
import type { Hypothesis } from "./hypothesis.ts";
import { sampleOutputs } from "./sampling.ts";
import type { StepScorer } from "./step-scorer.ts";

/** How sentences are grouped; it does not change results. */
export interface DecodeBatching {
  /** Most sentences of a batch. Default 32. */
  readonly batchSentences?: number;
  /** Most source tokens of a batch, padding included; a longer sentence goes alone. Default 4096. */
  readonly batchTokens?: number;
}

/** A search by NeurST's rules or, with the method `gnmt`, by GNMT's. */
export type SearchOptions = DecodeOptions | ({ readonly method: "gnmt" } & GnmtSearchOptions);

/** How far a corpus is decoded. */
export interface DecodeProgress {
  readonly sentences: number;
  readonly total: number;
  /** Output tokens so far, of the best hypotheses. */
  readonly tokens: number;
}

/**
 * Decodes a corpus. Results depend neither on the batching nor on the order of the sentences.
 * @param sources ids with EOS
 * @param onProgress called after each batch; may return a promise, which is awaited
 * @returns for each source its hypotheses, best first (sampling: in the order drawn)
 */
export async function decodeCorpus<State>(
  scorer: StepScorer<State>,
  sources: readonly Int32Array[],
  options: SearchOptions & DecodeBatching,
  onProgress?: (progress: DecodeProgress) => void | Promise<void>,
): Promise<Hypothesis[][]> {
  const decode = batchDecoder(scorer, options);
  checkSources(sources, scorer.vocabSize);
  const results = new Array<Hypothesis[]>(sources.length);
  let sentences = 0;
  let tokens = 0;
  for (const indices of lengthBatches(sources, options)) {
    const batch = indices.map((index) => sources[index]!);
    const decoded = decode(batch, indices);
    indices.forEach((index, i) => (results[index] = decoded[i]!));
    sentences += indices.length;
    for (const hypotheses of decoded) tokens += hypotheses[0]!.tokens.length;
    await onProgress?.({ sentences, total: sources.length, tokens });
  }
  return results;
}

/** Decodes a batch of sources whose places in the corpus are `indices`. */
type BatchDecoder = (batch: readonly Int32Array[], indices: readonly number[]) => Hypothesis[][];

function batchDecoder<State>(scorer: StepScorer<State>, options: SearchOptions): BatchDecoder {
  if (options.method === "gnmt") return (batch) => gnmtBeamSearch(scorer, batch, options);
  const resolved = resolveDecodeOptions(options, scorer.vocabSize);
  return resolved.method === "sampling"
    ? (batch, indices) => sampleOutputs(scorer, batch, resolved, indices)
    : (batch) => beamSearch(scorer, batch, resolved);
}

/** Indices of the sources in batches of similar length, longest first. */
function lengthBatches(sources: readonly Int32Array[], batching: DecodeBatching): number[][] {
  const { batchSentences = 32, batchTokens = 4096 } = batching;
  for (const [name, value] of Object.entries({ batchSentences, batchTokens })) {
    if (Number.isInteger(value) && value >= 1) continue;
    throw new ConfigError(
      `decoding: ${name}: expected an integer from 1, received ${value}. Change ${name}.`,
    );
  }
  const order = sources.map((_, index) => index);
  order.sort((a, b) => sources[b]!.length - sources[a]!.length || a - b);
  const batches: number[][] = [];
  let batch: number[] = [];
  for (const index of order) {
    const longest = sources[batch[0] ?? index]!.length;
    const isFull = batch.length >= batchSentences || longest * (batch.length + 1) > batchTokens;
    if (batch.length > 0 && isFull) {
      batches.push(batch);
      batch = [];
    }
    batch.push(index);
  }
  if (batch.length > 0) batches.push(batch);
  return batches;
}
