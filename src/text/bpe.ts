/**
 * Byte pair encoding of words as subword-nmt 0.3.8 applies it (Sennrich, Haddow and Birch 2016).
 */
import { ConfigError, DataError } from "../errors.ts";
import { stripCharacters, stripWhitespace } from "./whitespace.ts";

/** Marks the end of a word inside of the merge operations. */
export const END_OF_WORD = "</w>";

/** The merge operations of a codes file, most frequent first. */
export interface BpeCodes {
  /** In 0.1 the end of a word is a symbol of its own, in 0.2 a part of the last letter. */
  readonly version: "0.1" | "0.2";
  readonly merges: readonly (readonly [left: string, right: string])[];
}

/** How to apply codes. */
export interface BpeOptions {
  /** Follows every subword but the last of a word. Default `@@`. */
  readonly separator?: string;
  /** Subwords not among these are split again by undoing merges; absent: all are allowed. */
  readonly vocabulary?: ReadonlySet<string>;
}

/**
 * Reads a codes file: an optional first line `#version: 0.2` (without it 0.1), then one merge
 * operation a line, two symbols with a blank between.
 *
 * @param where names the file in messages
 * @param mergeLimit takes only this many operations from the top
 * @throws {DataError} for another version or a line that is not two symbols
 */
export function parseBpeCodes(text: string, where: string, mergeLimit = Infinity): BpeCodes {
  if (!(mergeLimit >= 0)) {
    throw new ConfigError(
      `${where}: expected a merge limit of at least 0, received ${mergeLimit}. ` +
        "Leave it out to use all operations.",
    );
  }
  const lines = stripCharacters(text, "\n").split("\n");
  const version = versionOf(lines[0]!, where);
  const first = lines[0]!.startsWith("#version:") ? 1 : 0;
  const merges: [string, string][] = [];
  for (let i = first; i < lines.length && merges.length < mergeLimit; i++) {
    const symbols = stripCharacters(lines[i]!, "\r ").split(" ");
    const [left, right] = symbols;
    if (symbols.length !== 2 || !left || !right) {
      throw new DataError(
        `${where}, line ${i + 1}: expected two symbols with a blank between, received ` +
          `${JSON.stringify(lines[i])}. Give a codes file written by learn-bpe.`,
      );
    }
    merges.push([left, right]);
  }
  return { version, merges };
}

function versionOf(firstLine: string, where: string): "0.1" | "0.2" {
  if (!firstLine.startsWith("#version:")) return "0.1";
  const version = firstLine
    .slice("#version:".length)
    .trim()
    .replace(/(?<=\d\.\d+)(\.0+)+$/, "");
  if (version === "0.1" || version === "0.2") return version;
  throw new DataError(
    `${where}, line 1: expected version 0.1 or 0.2, received ${JSON.stringify(version)}. ` +
      "Learn the codes again with a known version.",
  );
}

/** The text of a codes file of version 0.2. */
export function formatBpeCodes(codes: BpeCodes): string {
  const header = codes.version === "0.2" ? "#version: 0.2\n" : "";
  return header + codes.merges.map(([left, right]) => `${left} ${right}\n`).join("");
}

/** Segments words with learnt codes; remembers the segmentation of every word seen. */
export class Bpe {
  readonly separator: string;
  readonly #version: "0.1" | "0.2";
  readonly #ranks = new Map<string, number>();
  readonly #parts = new Map<string, readonly [string, string]>();
  readonly #vocabulary: ReadonlySet<string> | undefined;
  readonly #cache = new Map<string, readonly string[]>();

  constructor(codes: BpeCodes, options: BpeOptions = {}) {
    this.separator = options.separator ?? "@@";
    this.#version = codes.version;
    this.#vocabulary = options.vocabulary;
    codes.merges.forEach((pair, rank) => {
      const key = pair[0] + " " + pair[1];
      if (!this.#ranks.has(key)) this.#ranks.set(key, rank);
    });
    // Several pairs can give the same symbol: the one learnt first is the one to undo.
    for (const key of this.#ranks.keys()) {
      const [left, right] = key.split(" ");
      const symbol = left! + right!;
      if (!this.#parts.has(symbol)) this.#parts.set(symbol, [left!, right!]);
    }
  }

  /** The subwords of a line of words separated by blanks; all but the last of a word marked. */
  segment(line: string): string[] {
    const output: string[] = [];
    for (const word of stripCharacters(line, "\r\n ").split(" ")) {
      if (word === "") continue;
      const subwords = this.encodeWord(word);
      for (let i = 0; i < subwords.length - 1; i++) output.push(subwords[i]! + this.separator);
      output.push(subwords[subwords.length - 1]!);
    }
    return output;
  }

  /** The subwords of one word, without separators. */
  encodeWord(word: string): readonly string[] {
    const known = this.#cache.get(word);
    if (known !== undefined) return known;
    const subwords = this.#encode(Array.from(word));
    this.#cache.set(word, subwords);
    return subwords;
  }

  #encode(letters: string[]): readonly string[] {
    if (letters.length <= 1) return letters;
    let symbols =
      this.#version === "0.1"
        ? [...letters, END_OF_WORD]
        : [...letters.slice(0, -1), letters[letters.length - 1]! + END_OF_WORD];
    while (symbols.length > 1) {
      const best = this.#firstMerge(symbols);
      if (best === undefined) break;
      symbols = mergePair(symbols, best[0], best[1]);
    }
    const last = symbols.pop()!;
    if (last !== END_OF_WORD) {
      symbols.push(last.endsWith(END_OF_WORD) ? last.slice(0, -END_OF_WORD.length) : last);
    }
    return this.#vocabulary === undefined ? symbols : this.#splitUnknown(symbols);
  }

  /** The neighbouring pair that was learnt first. */
  #firstMerge(symbols: readonly string[]): readonly [string, string] | undefined {
    let bestRank = Infinity;
    let best: readonly [string, string] | undefined;
    for (let i = 0; i + 1 < symbols.length; i++) {
      const rank = this.#ranks.get(symbols[i]! + " " + symbols[i + 1]!);
      if (rank !== undefined && rank < bestRank) {
        bestRank = rank;
        best = [symbols[i]!, symbols[i + 1]!];
      }
    }
    return best;
  }

  #splitUnknown(symbols: readonly string[]): string[] {
    const last = symbols.length - 1;
    return symbols.flatMap((symbol, index) =>
      this.#isKnown(symbol, index === last) ? [symbol] : this.#undo(symbol, index === last),
    );
  }

  #isKnown(symbol: string, final: boolean): boolean {
    return this.#vocabulary!.has(final ? symbol : symbol + this.separator);
  }

  /** Undoes merges until every part is in the vocabulary or a single letter. */
  #undo(symbol: string, final: boolean): string[] {
    const parts = this.#parts.get(final ? symbol + END_OF_WORD : symbol);
    if (parts === undefined) return [symbol];
    const left = parts[0];
    const right = final ? parts[1].slice(0, -END_OF_WORD.length) : parts[1];
    return [
      ...(this.#isKnown(left, false) ? [left] : this.#undo(left, false)),
      ...(this.#isKnown(right, final) ? [right] : this.#undo(right, final)),
    ];
  }
}

/** Replaces every occurrence of a pair by its joined symbol, from the left, without overlap. */
export function mergePair(symbols: readonly string[], left: string, right: string): string[] {
  const merged: string[] = [];
  for (let i = 0; i < symbols.length; i++) {
    if (symbols[i] === left && symbols[i + 1] === right) {
      merged.push(left + right);
      i++;
    } else {
      merged.push(symbols[i]!);
    }
  }
  return merged;
}

/** Joins marked subwords (`@@ `) to words again; a mark at the end of the line is dropped. */
export function undoBpe(line: string, separator = "@@"): string {
  const joined = stripWhitespace(line.replaceAll(separator + " ", ""));
  return joined.endsWith(separator) ? joined.slice(0, -separator.length) : joined;
}
