/**
 * Learns byte pair encoding as subword-nmt 0.3.8 does (Sennrich, Haddow and Birch 2016): joins the
 * most frequent neighbouring pair of symbols again and again.
 *
 * Of equally frequent pairs the one that is last in code point order wins. Rare pairs are set
 * aside for speed and come back when they are the most frequent ones, by the same rule as there,
 * because the rule decides a few late ties.
 */
import { ConfigError, DataError } from "../errors.ts";
import { END_OF_WORD, mergePair } from "./bpe.ts";
import type { BpeCodes } from "./bpe.ts";

interface CountedWord {
  symbols: string[];
  readonly count: number;
}

/** A pair of symbols with a blank between: symbols have none. */
type PairKey = string;

/**
 * Learns merge operations from word counts.
 *
 * @param counts how often each word occurs; words without whitespace
 * @param merges how many operations to learn at most
 * @param minFrequency stops where no pair is this frequent. Default 2, as in subword-nmt
 * @throws {ConfigError} for numbers below 1
 * @throws {DataError} without a word of at least two letters, or for a word with a blank
 */
export function learnBpe(
  counts: ReadonlyMap<string, number>,
  merges: number,
  minFrequency = 2,
): BpeCodes {
  for (const [name, value] of Object.entries({ merges, minFrequency })) {
    if (!Number.isInteger(value) || value < 1) {
      throw new ConfigError(
        `learn-bpe: expected a whole number of at least 1 for ${name}, received ${value}. ` +
          "4000 merges and a least frequency of 2 are usual.",
      );
    }
  }
  const table = new PairTable(splitWords(counts));
  const learnt: [string, string][] = [];
  let threshold = table.highestCount() / 10;
  for (let i = 0; i < merges; i++) {
    let best = table.mostFrequent();
    if (best === undefined || (i > 0 && best.count < threshold)) {
      table.restoreAll(threshold);
      best = table.mostFrequent()!;
      threshold = (best.count * i) / (i + 10000);
      table.setAside(threshold);
    }
    if (best.count < minFrequency) break;
    const [left, right] = best.key.split(" ") as [string, string];
    learnt.push([left, right]);
    table.merge(left, right);
    if (i % 100 === 0) table.setAside(threshold);
  }
  return { version: "0.2", merges: learnt };
}

function splitWords(counts: ReadonlyMap<string, number>): CountedWord[] {
  const words: CountedWord[] = [];
  let pairs = 0;
  for (const [word, count] of counts) {
    if (word === "" || /[ \r\n]/.test(word)) {
      throw new DataError(
        `learn-bpe: expected words without blanks, received ${JSON.stringify(word)}. ` +
          "Tokenize the text first.",
      );
    }
    const symbols = Array.from(word);
    symbols.push(symbols.pop()! + END_OF_WORD);
    pairs += symbols.length - 1;
    words.push({ symbols, count });
  }
  if (pairs === 0) {
    throw new DataError(
      "learn-bpe: expected a word of at least two letters, received none. Give more text.",
    );
  }
  return words;
}

/** Counts of all pairs of neighbouring symbols, and in which words they are. */
class PairTable {
  readonly #words: CountedWord[];
  #counts = new Map<PairKey, number>();
  /** How often a pair is in a word, by index of the word. */
  readonly #places = new Map<PairKey, Map<number, number>>();
  readonly #all: Map<PairKey, number>;

  constructor(words: CountedWord[]) {
    this.#words = words;
    words.forEach(({ symbols, count }, index) => {
      for (let i = 0; i + 1 < symbols.length; i++) {
        this.#add(symbols[i]!, symbols[i + 1]!, index, count, 1);
      }
    });
    this.#all = new Map(this.#counts);
  }

  highestCount(): number {
    let highest = -Infinity;
    for (const count of this.#counts.values()) highest = Math.max(highest, count);
    return highest;
  }

  mostFrequent(): { readonly key: PairKey; readonly count: number } | undefined {
    let key: PairKey | undefined;
    let count = -Infinity;
    for (const [candidate, frequency] of this.#counts) {
      const wins = frequency > count || (frequency === count && comparePairs(candidate, key!) > 0);
      if (wins) {
        key = candidate;
        count = frequency;
      }
    }
    return key === undefined ? undefined : { key, count };
  }

  /** Moves pairs rarer than the threshold out of the search. */
  setAside(threshold: number): void {
    for (const [key, count] of this.#counts) {
      if (count >= threshold) continue;
      this.#counts.delete(key);
      // A negative count is a loss since the pair was set aside.
      this.#all.set(key, count < 0 ? (this.#all.get(key) ?? 0) + count : count);
    }
  }

  /** Brings every pair back into the search. */
  restoreAll(threshold: number): void {
    this.setAside(threshold);
    this.#counts = new Map(this.#all);
  }

  /** Joins a pair in all words and corrects the counts of its neighbours. */
  merge(left: string, right: string): void {
    const key = left + " " + right;
    const places = this.#places.get(key) ?? new Map<number, number>();
    this.#places.set(key, new Map());
    const changes: [number, string[], string[]][] = [];
    for (const [index, times] of places) {
      if (times < 1) continue;
      const before = this.#words[index]!.symbols;
      const after = mergePair(before, left, right);
      this.#words[index]!.symbols = after;
      changes.push([index, before, after]);
    }
    this.#counts.set(key, 0);
    for (const [index, before, after] of changes) {
      this.#forgetNeighbours(index, before, left, right);
      this.#countNeighbours(index, after, left + right);
    }
    this.#counts.set(key, 0);
  }

  #forgetNeighbours(index: number, symbols: string[], left: string, right: string): void {
    const { count } = this.#words[index]!;
    for (let i = 0; i + 1 < symbols.length; i++) {
      if (symbols[i] !== left || symbols[i + 1] !== right) continue;
      if (i > 0) this.#add(symbols[i - 1]!, left, index, -count, -1);
      // In A B C B C the pair C B between two merged ones is forgotten with the second.
      const mergedNext = symbols[i + 2] === left && symbols[i + 3] === right;
      if (i + 2 < symbols.length && !mergedNext) {
        this.#add(right, symbols[i + 2]!, index, -count, -1);
      }
      i++;
    }
  }

  #countNeighbours(index: number, symbols: string[], joined: string): void {
    const { count } = this.#words[index]!;
    for (let i = 0; i < symbols.length; i++) {
      if (symbols[i] !== joined) continue;
      if (i > 0) this.#add(symbols[i - 1]!, joined, index, count, 1);
      if (i + 1 < symbols.length && symbols[i + 1] !== joined) {
        this.#add(joined, symbols[i + 1]!, index, count, 1);
      }
    }
  }

  #add(left: string, right: string, index: number, count: number, times: number): void {
    const key = left + " " + right;
    this.#counts.set(key, (this.#counts.get(key) ?? 0) + count);
    let places = this.#places.get(key);
    if (places === undefined) this.#places.set(key, (places = new Map<number, number>()));
    places.set(index, (places.get(index) ?? 0) + times);
  }
}

/** Order by the first symbol, then by the second, each by code points. */
function comparePairs(a: PairKey, b: PairKey): number {
  const [aLeft, aRight] = a.split(" ") as [string, string];
  const [bLeft, bRight] = b.split(" ") as [string, string];
  return compareCodePoints(aLeft, bLeft) || compareCodePoints(aRight, bRight);
}

/** UTF-16 order differs from code point order only where surrogates meet U+E000 to U+FFFF. */
function compareCodePoints(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    if (a[i] !== b[i]) return a.codePointAt(i)! - b.codePointAt(i)!;
  }
  return a.length - b.length;
}
