/**
 * From running text to ids and back, as NeurST's TextDataPipeline does it: normalise, tokenize,
 * split into subwords, look up, append the end of the sequence.
 */
import { ConfigError, UnknownNameError } from "../errors.ts";
import { Bpe, undoBpe } from "./bpe.ts";
import type { BpeCodes } from "./bpe.ts";
import { joinCharacters, splitCharacters } from "./character-tokenize.ts";
import { MosesDetokenizer } from "./moses-detokenize.ts";
import { MosesPunctuationNormalizer } from "./moses-normalize.ts";
import { MosesTokenizer } from "./moses-tokenize.ts";
import type { Vocabulary } from "./vocabulary.ts";
import { collapseWhitespace, splitWhitespace, stripWhitespace } from "./whitespace.ts";

/** Names of the word tokenizers; null: the text is tokenized already. */
export const TOKENIZERS = ["moses", "char"] as const;
export type TokenizerName = (typeof TOKENIZERS)[number];

/** Names of the subword tokenizers; null: words are the tokens. */
export const SUBTOKENIZERS = ["bpe"] as const;
export type SubtokenizerName = (typeof SUBTOKENIZERS)[number];

/** How one language's text becomes ids. */
export interface TextPipelineOptions {
  /** A two-letter code such as `de`. */
  readonly language: string;
  readonly vocabulary: Vocabulary;
  readonly tokenizer?: TokenizerName | null;
  readonly subtokenizer?: SubtokenizerName | null;
  /** The merge operations, for `bpe`. */
  readonly codes?: BpeCodes;
  /** Ids run from the end of the sentence to its start. Default false. */
  readonly reverse?: boolean;
  readonly lowercase?: boolean;
  readonly removePunctuation?: boolean;
  /**
   * Replaces typographic quotes, dashes and spaces by plain ones first (not for `zh` and `ja`).
   * NeurST always does; default false, because models trained on text as it is need it as it is.
   */
  readonly normalizePunctuation?: boolean;
}

const PUNCTUATION = /[,.!();:、?\-+="/><《》[\]，。：；「」【】{}`@#$%^&*]/g;

/** As in `it ' s `. */
const TORN_CONTRACTION = /' (s|ve|m|t|re) /g;

/** Encodes lines of one language as ids and decodes ids as lines. */
export class TextPipeline {
  readonly language: string;
  readonly vocabulary: Vocabulary;
  readonly #options: TextPipelineOptions;
  readonly #tokenizer: TokenizerName | null;
  readonly #normalizer: MosesPunctuationNormalizer | undefined;
  readonly #moses: MosesTokenizer;
  readonly #detokenizer: MosesDetokenizer;
  readonly #bpe: Bpe | undefined;

  /**
   * @throws {UnknownNameError} for a tokenizer or subtokenizer that does not exist
   * @throws {ConfigError} when `bpe` has no codes
   */
  constructor(options: TextPipelineOptions) {
    const { language, vocabulary, tokenizer = null, subtokenizer = null, codes } = options;
    checkName("tokenizer", tokenizer, TOKENIZERS);
    checkName("subtokenizer", subtokenizer, SUBTOKENIZERS);
    if (subtokenizer === "bpe" && codes === undefined) {
      throw new ConfigError(
        "text pipeline: expected subtokenizer_codes for subtokenizer bpe, received none. " +
          "Give the codes file.",
      );
    }
    this.language = language;
    this.vocabulary = vocabulary;
    this.#options = options;
    this.#tokenizer = tokenizer;
    this.#moses = new MosesTokenizer(language, { aggressiveDashSplits: true, escape: false });
    this.#detokenizer = new MosesDetokenizer(language);
    if (options.normalizePunctuation === true && language !== "zh" && language !== "ja") {
      this.#normalizer = new MosesPunctuationNormalizer(language);
    }
    if (subtokenizer === "bpe") {
      this.#bpe = new Bpe(codes!, { vocabulary: new Set(vocabulary.fileTokens) });
    }
  }

  /** The subword tokens of a line, before they are looked up. */
  segment(text: string): string[] {
    return this.segmentTokenized(this.tokenize(text));
  }

  /** The words of a line joined by blanks, before subwords: what codes are learnt from. */
  tokenize(text: string): string {
    const line = this.#normalize(text);
    if (this.#tokenizer === "moses") return this.#moses.tokenize(line);
    return this.#tokenizer === "char" ? splitCharacters(line, this.language) : line;
  }

  /** The subword tokens of a line whose words are separated by blanks already. */
  segmentTokenized(line: string): string[] {
    if (this.#bpe === undefined) return splitWhitespace(line);
    return this.#bpe.segment(splitWhitespace(line).join(" "));
  }

  /** The ids of a line, the end of the sequence last. */
  encode(text: string): Int32Array {
    return this.idsOf(this.segment(text));
  }

  /** The ids of subword tokens, the end of the sequence last. */
  idsOf(tokens: readonly string[]): Int32Array {
    const ids = new Int32Array(tokens.length + 1);
    tokens.forEach((token, i) => {
      const position = this.#options.reverse === true ? tokens.length - 1 - i : i;
      ids[position] = this.vocabulary.idOf(token);
    });
    ids[tokens.length] = this.vocabulary.eosId;
    return ids;
  }

  /** The running text of ids up to the first end of a sequence, a leading begin skipped. */
  decode(ids: ArrayLike<number>): string {
    const { bosId, eosId } = this.vocabulary;
    const tokens: string[] = [];
    for (let i = ids[0] === bosId ? 1 : 0; i < ids.length && ids[i] !== eosId; i++) {
      tokens.push(this.vocabulary.tokenOf(ids[i]!));
    }
    if (this.#options.reverse === true) tokens.reverse();
    return this.detokenize(tokens);
  }

  /** The running text of subword tokens. */
  detokenize(tokens: readonly string[]): string {
    const line = tokens.join(" ");
    const words = this.#bpe === undefined ? line : undoBpe(line, this.#bpe.separator);
    if (this.#tokenizer === "moses") return this.#detokenizer.detokenize(words);
    return this.#tokenizer === "char" ? joinCharacters(words, this.language) : words;
  }

  #normalize(text: string): string {
    const { lowercase, removePunctuation } = this.#options;
    let line = lowercase === true ? text.toLowerCase() : text;
    if (this.#normalizer !== undefined) {
      line = this.#normalizer.normalize(line).replace(TORN_CONTRACTION, "'$1 ");
    }
    if (removePunctuation === true) line = line.replace(PUNCTUATION, " ");
    return stripWhitespace(collapseWhitespace(line));
  }
}

function checkName(kind: string, name: string | null, known: readonly string[]): void {
  if (name !== null && !known.includes(name)) {
    throw new UnknownNameError("text pipeline", kind, name, known);
  }
}
