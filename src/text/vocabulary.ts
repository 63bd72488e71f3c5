/** Vocabularies: which token has which id, with the special tokens as NeurST numbers them. */
import { ConfigError, DataError } from "../errors.ts";
import { splitWhitespace } from "./whitespace.ts";

/**
 * Tokens of a file in order, followed by unknown, begin and end of a sequence. Padding is the end
 * of a sequence.
 */
export class Vocabulary {
  /** Number of ids, special tokens included. */
  readonly size: number;
  readonly unkId: number;
  readonly bosId: number;
  readonly eosId: number;
  /** The tokens of the file, without the special ones. */
  readonly fileTokens: readonly string[];
  readonly #tokens: readonly string[];
  readonly #ids: ReadonlyMap<string, number>;

  /**
   * @param fileTokens ordinary tokens, id 0 first
   * @param where names their origin in messages
   * @throws {DataError} when there is none, or one is empty, has whitespace or occurs twice
   */
  constructor(fileTokens: readonly string[], where: string) {
    const ids = new Map<string, number>();
    fileTokens.forEach((token, id) => {
      checkToken(token, id, where, ids.get(token));
      ids.set(token, id);
    });
    if (ids.size === 0) {
      throw new DataError(
        `${where}: expected at least one token, received none. Build the vocabulary from text.`,
      );
    }
    const special = ["<UNK>", "<SEQ_BEG>", "<SEQ_END>"].map((name) => unusedName(name, ids));
    this.fileTokens = [...fileTokens];
    this.#tokens = [...fileTokens, ...special];
    special.forEach((token, i) => ids.set(token, fileTokens.length + i));
    this.#ids = ids;
    this.size = this.#tokens.length;
    this.unkId = this.size - 3;
    this.bosId = this.size - 2;
    this.eosId = this.size - 1;
  }

  /**
   * Reads a vocabulary file: one token a line, further columns (such as counts) ignored. A file
   * all of whose tokens are in quotes, as for word pieces, is read without the quotes.
   *
   * @param where names the file in messages
   */
  static parse(text: string, where: string): Vocabulary {
    const lines = text.replace(/\r?\n$/, "").split("\n");
    const quoted = lines.every((line) => /^(?:'.+'|".+")\r?$/.test(line));
    const tokens = lines.map((line) =>
      quoted ? line.replace(/\r$/, "").slice(1, -1) : (splitWhitespace(line)[0] ?? ""),
    );
    return new Vocabulary(text === "" ? [] : tokens, where);
  }

  /** True for a token of the file and for a special one. */
  has(token: string): boolean {
    return this.#ids.has(token);
  }

  /** The id of a token; that of the unknown token if it is not in the vocabulary. */
  idOf(token: string): number {
    return this.#ids.get(token) ?? this.unkId;
  }

  /**
   * The token of an id.
   *
   * @throws {DataError} for a number that is not an id
   */
  tokenOf(id: number): string {
    const token = this.#tokens[id];
    if (token === undefined) {
      throw new DataError(
        `vocabulary: expected an id from 0 to ${this.size - 1}, received ${id}. ` +
          "Use the vocabulary that the model was trained with.",
      );
    }
    return token;
  }

  /** The vocabulary file: one token a line, special tokens left out. */
  toText(): string {
    return this.fileTokens.map((token) => token + "\n").join("");
  }
}

function checkToken(token: string, id: number, where: string, earlier: number | undefined): void {
  const line = `${where}, line ${id + 1}`;
  if (token === "") {
    throw new DataError(
      `${line}: expected a token, received an empty line. Remove the line: it would take an id.`,
    );
  }
  if (earlier !== undefined) {
    throw new DataError(
      `${line}: expected each token once, received ${JSON.stringify(token)} again ` +
        `(first in line ${earlier + 1}). Remove one of the lines.`,
    );
  }
}

/** The name, or, if the file has it already, the name with as many zeros as make it new. */
function unusedName(name: string, ids: ReadonlyMap<string, number>): string {
  let unused = name;
  while (ids.has(unused)) unused += "0";
  return unused;
}

/** Limits of a vocabulary to build. */
export interface VocabularyLimits {
  /** Rarer tokens are left out. Default 1. */
  readonly minFrequency?: number;
  /** At most this many tokens, special ones not counted. Default: no limit. */
  readonly maxSize?: number;
}

/** Adds the tokens of segmented lines to a table of counts, in order of first occurrence. */
export function countTokens(
  lines: Iterable<string>,
  counts: Map<string, number> = new Map<string, number>(),
): Map<string, number> {
  for (const line of lines) {
    for (const token of splitWhitespace(line)) counts.set(token, (counts.get(token) ?? 0) + 1);
  }
  return counts;
}

/**
 * Tokens by falling frequency; equally frequent ones keep the order of the table.
 *
 * @throws {ConfigError} for limits below 1
 */
export function mostFrequentTokens(
  counts: ReadonlyMap<string, number>,
  limits: VocabularyLimits = {},
): string[] {
  const { minFrequency = 1, maxSize = Infinity } = limits;
  for (const [name, value] of Object.entries({ min_frequency: minFrequency, max_size: maxSize })) {
    if (!(value >= 1)) {
      throw new ConfigError(
        `vocabulary: expected ${name} of at least 1, received ${value}. Give a positive number.`,
      );
    }
  }
  const kept = [...counts].filter(([, count]) => count >= minFrequency);
  kept.sort(([, a], [, b]) => b - a);
  return kept.slice(0, maxSize).map(([token]) => token);
}
