/** Settings of decoding, with NeurST's names and defaults, and their checks. */
import { DataError } from "../errors.ts";
import { checkSpecial, isCount, type OptionCheck, optionCheck } from "./option-checks.ts";

/** Ids of a vocabulary that decoding treats specially. NeurST appends them: V−3, V−2, V−1. */
export interface SpecialIds {
  readonly unk: number;
  /** First input of the decoder. */
  readonly bos: number;
  readonly eos: number;
}

/** Most outputs sampled for one source: each has its own random stream. */
export const MOST_SAMPLES = 2 ** 20;

/** How outputs are searched for. All fields but `special` have defaults. */
export interface DecodeOptions {
  readonly special: SpecialIds;
  /** `beam`, `greedy` (a beam of one) or `sampling`. Default `beam`. */
  readonly method?: "beam" | "greedy" | "sampling";
  /** Hypotheses kept for each sentence. Default 4. */
  readonly beamSize?: number;
  /** α of the penalty ((5 + length) / 6)^α; negative: average per token. Default 0.6. */
  readonly lengthPenalty?: number;
  /** Hypotheses returned for each sentence, best first; at most `beamSize`. Default 1. */
  readonly topK?: number;
  /** Longest output in tokens, EOS included; null: source length + `extraDecodeLength`. */
  readonly maximumDecodeLength?: number | null;
  /** EOS is masked before this many tokens (EOS included). Default 0. */
  readonly minimumDecodeLength?: number;
  /** Output tokens beyond the source length (EOS included). Default 50. */
  readonly extraDecodeLength?: number;
  /** True lets the unknown token be generated. Default false. */
  readonly enableUnk?: boolean;
  /** Sampling: only the most probable tokens, ties with the last one included; 0: all. */
  readonly samplingTopK?: number;
  /** Sampling: only the most probable tokens that reach this mass together. Default 1: all. */
  readonly samplingTopP?: number;
  /** Sampling: divides the logits. Default 1. */
  readonly temperature?: number;
  /** Sampling: outputs for each sentence. Default 1. */
  readonly sampleNum?: number;
  /** Sampling: seed, an unsigned 32-bit integer. Default 1. */
  readonly seed?: number;
}

const check: OptionCheck = optionCheck("decoding");

/** {@link DecodeOptions} with every default filled in and checked. */
export type ResolvedDecodeOptions = Required<DecodeOptions>;

/**
 * Fills defaults in and checks every value.
 * @throws {ConfigError}
 */
export function resolveDecodeOptions(
  options: DecodeOptions,
  vocabSize: number,
): ResolvedDecodeOptions {
  const o: ResolvedDecodeOptions = {
    special: options.special,
    method: options.method ?? "beam",
    beamSize: options.method === "greedy" ? 1 : (options.beamSize ?? 4),
    lengthPenalty: options.lengthPenalty ?? 0.6,
    topK: options.topK ?? 1,
    maximumDecodeLength: options.maximumDecodeLength ?? null,
    minimumDecodeLength: options.minimumDecodeLength ?? 0,
    extraDecodeLength: options.extraDecodeLength ?? 50,
    enableUnk: options.enableUnk ?? false,
    samplingTopK: options.samplingTopK ?? 0,
    samplingTopP: options.samplingTopP ?? 1,
    temperature: options.temperature ?? 1,
    sampleNum: options.sampleNum ?? 1,
    seed: options.seed ?? 1,
  };
  checkSearch(o, vocabSize);
  checkLengths(o);
  checkSampling(o);
  return o;
}

function checkSearch(o: ResolvedDecodeOptions, vocabSize: number): void {
  checkSpecial(o.special, vocabSize, check);
  // Every first step must offer a beam's worth of tokens: all but UNK and a masked EOS.
  const most = Math.max(1, vocabSize - 2);
  check(isCount(o.beamSize, 1) && o.beamSize <= most, "beam_size", `1 to ${most}`, o.beamSize);
  check(Number.isFinite(o.lengthPenalty), "length_penalty", "a number", o.lengthPenalty);
  const isBeam = o.method !== "sampling";
  const fits = isCount(o.topK, 1) && (!isBeam || o.topK <= o.beamSize);
  check(fits, "top_k", `1 to beam_size (${o.beamSize})`, o.topK);
}

function checkLengths(o: ResolvedDecodeOptions): void {
  const { maximumDecodeLength: maximum, minimumDecodeLength: minimum } = o;
  check(isCount(minimum, 0), "minimum_decode_length", "an integer from 0", minimum);
  const extra = o.extraDecodeLength;
  check(isCount(extra, 0), "extra_decode_length", "an integer from 0", extra);
  if (maximum === null) return;
  check(isCount(maximum, 1), "maximum_decode_length", "an integer from 1", maximum);
  check(minimum < maximum, "minimum_decode_length", `less than ${maximum}`, minimum);
}

function checkSampling(o: ResolvedDecodeOptions): void {
  const { samplingTopK, samplingTopP, temperature, sampleNum, seed } = o;
  check(isCount(samplingTopK, 0), "sampling top_k", "an integer from 0", samplingTopK);
  const isShare = samplingTopP > 0 && samplingTopP <= 1;
  check(isShare, "sampling top_p", "a number above 0, at most 1", samplingTopP);
  const isOne = samplingTopK === 0 || samplingTopP === 1;
  check(isOne, "sampling", "top_k or top_p, not both", samplingTopP);
  const isWarm = temperature > 0 && Number.isFinite(temperature);
  check(isWarm, "temperature", "a number above 0", temperature);
  const isSampleNum = isCount(sampleNum, 1) && sampleNum <= MOST_SAMPLES;
  check(isSampleNum, "sample_num", `1 to ${MOST_SAMPLES}`, sampleNum);
  check(isCount(seed, 0) && seed < 2 ** 32, "seed", "an integer from 0 to 2^32 - 1", seed);
}

/** Most tokens of one output, EOS included: max(min(source + extra, maximum), minimum). */
export function decodeLimit(sourceLength: number, o: ResolvedDecodeOptions): number {
  const reach = sourceLength + o.extraDecodeLength;
  return Math.max(Math.min(reach, o.maximumDecodeLength ?? reach), o.minimumDecodeLength, 1);
}

/**
 * Checks that sources are not empty and that their ids are in the vocabulary.
 * @throws {DataError}
 */
export function checkSources(sources: readonly Int32Array[], vocabSize: number): void {
  for (let i = 0; i < sources.length; i++) {
    const source = sources[i]!;
    if (source.length === 0) {
      throw new DataError(
        `source ${i}: expected at least an EOS id, received no ids. End every source with EOS.`,
      );
    }
    const bad = source.find((id) => id < 0 || id >= vocabSize);
    if (bad !== undefined) {
      throw new DataError(
        `source ${i}: expected ids from 0 to ${vocabSize - 1}, received ${bad}. ` +
          `Encode it with the model's own vocabulary.`,
      );
    }
  }
}
