/**
 * The tokenizer of the Moses toolkit: separates punctuation and symbols from words by rules.
 *
 * Same tokens as sacremoses 0.2.0 for English and German, as far as our lists of abbreviations go
 * (non-breaking-prefixes.ts). Other languages have the same rules with the English abbreviations;
 * the Han, kana and Hangul rules for `zh`, `ja` and `ko` are not here.
 */
import { nonBreakingPrefixes } from "./non-breaking-prefixes.ts";
import type { NonBreakingPrefixes } from "./non-breaking-prefixes.ts";
import { classSource } from "./unicode-classes.ts";
import { collapseWhitespace, splitWhitespace, stripWhitespace, WHITESPACE } from "./whitespace.ts";

/** What a tokenizer does beyond the rules of its language. */
export interface MosesTokenizerOptions {
  /** Splits every hyphen between letters or digits: `low-cost` becomes `low @-@ cost`. */
  readonly aggressiveDashSplits?: boolean;
  /** Writes `& | < > ' " [ ]` as entities, as the Moses decoder needs. Default true. */
  readonly escape?: boolean;
}

type Rule = readonly [pattern: RegExp, replacement: string];

const ALPHA = classSource("alphabetic", "joining");
const ALNUM = classSource("alphabetic", "decimal", "joining");
const NUMBER = classSource("number");

const ASCII_CONTROL = /[\0-\x1f]/g;
const OTHER_CHARACTER = new RegExp(`([^${ALNUM}${WHITESPACE}.'\`,\\-])`, "gu");
const INNER_HYPHEN = new RegExp(`([${ALNUM}])-(?=[${ALNUM}])`, "gu");
const DOTS = /\.{2,}/g;
const DOTS_MARKER = /((?:DOT)+)MULTI/g;
const ALPHABETIC = new RegExp(`[${ALPHA}]`, "u");
const STARTS_LOWER = new RegExp(`^[${classSource("lower")}]`, "u");
const STARTS_WITH_DIGIT = /^[0-9]/;
const FINAL_DOT_APOSTROPHE = /\.' ?$/;

/** A comma inside of a number stays: `5,300`. */
const COMMAS: readonly Rule[] = [
  [new RegExp(`([^${NUMBER}]),`, "gu"), "$1 , "],
  [new RegExp(`,([^${NUMBER}])`, "gu"), " , $1"],
  [new RegExp(`([${NUMBER}]),$`, "gu"), "$1 , "],
];

/** English: the apostrophe goes with what follows it (`it 's`, `the 90 's`). */
const ENGLISH_APOSTROPHES: readonly Rule[] = [
  [new RegExp(`([^${ALPHA}])'([^${ALPHA}])`, "gu"), "$1 ' $2"],
  [new RegExp(`([^${ALPHA}${NUMBER}])'([${ALPHA}])`, "gu"), "$1 ' $2"],
  [new RegExp(`([${ALPHA}])'([^${ALPHA}])`, "gu"), "$1 ' $2"],
  [new RegExp(`([${ALPHA}])'([${ALPHA}])`, "gu"), "$1 '$2"],
  [new RegExp(`([${NUMBER}])'(s)`, "gu"), "$1 '$2"],
];

/** French and Italian: the apostrophe goes with what precedes it (`l' eau`). */
const ROMANCE_APOSTROPHES: readonly Rule[] = [
  [new RegExp(`([^${ALPHA}])'([^${ALPHA}])`, "gu"), "$1 ' $2"],
  [new RegExp(`([^${ALPHA}])'([${ALPHA}])`, "gu"), "$1 ' $2"],
  [new RegExp(`([${ALPHA}])'([^${ALPHA}])`, "gu"), "$1 ' $2"],
  [new RegExp(`([${ALPHA}])'([${ALPHA}])`, "gu"), "$1' $2"],
];

const OTHER_APOSTROPHES: readonly Rule[] = [[/'/g, " ' "]];

const ESCAPED = /[&|<>'"[\]]/g;
const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "|": "&#124;",
  "<": "&lt;",
  ">": "&gt;",
  "'": "&apos;",
  '"': "&quot;",
  "[": "&#91;",
  "]": "&#93;",
};

/** Splits running text of one language into tokens. */
export class MosesTokenizer {
  readonly language: string;
  readonly #aggressiveDashSplits: boolean;
  readonly #escape: boolean;
  readonly #prefixes: NonBreakingPrefixes;
  readonly #apostrophes: readonly Rule[];

  /** @param language a two-letter code such as `en`; it selects abbreviations and apostrophe rules */
  constructor(language: string, options: MosesTokenizerOptions = {}) {
    this.language = language;
    this.#aggressiveDashSplits = options.aggressiveDashSplits ?? false;
    this.#escape = options.escape ?? true;
    this.#prefixes = nonBreakingPrefixes(language);
    this.#apostrophes = apostropheRules(language);
  }

  /** The tokens of one line, joined by single blanks; empty for a blank line. */
  tokenize(line: string): string {
    let text = stripWhitespace(collapseWhitespace(line).replace(ASCII_CONTROL, ""));
    text = text.replace(OTHER_CHARACTER, " $1 ");
    if (this.#aggressiveDashSplits) text = text.replace(INNER_HYPHEN, "$1 @-@ ");
    text = applyRules(COMMAS, markDots(text));
    text = applyRules(this.#apostrophes, text);
    text = this.#splitFullStops(splitWhitespace(text));
    text = restoreDots(text.replace(FINAL_DOT_APOSTROPHE, " . ' "));
    return this.#escape ? text.replace(ESCAPED, (character) => ENTITIES[character]!) : text;
  }

  #splitFullStops(tokens: readonly string[]): string {
    const split = tokens.map((token, index) => {
      if (token.length < 2 || !token.endsWith(".")) return token;
      const prefix = token.slice(0, -1);
      return this.#keepsFullStop(prefix, tokens[index + 1]) ? token : `${prefix} .`;
    });
    return split.join(" ");
  }

  #keepsFullStop(prefix: string, next: string | undefined): boolean {
    if (prefix.includes(".") && ALPHABETIC.test(prefix)) return true;
    if (this.#prefixes.always.has(prefix)) return true;
    if (next === undefined) return false;
    if (STARTS_LOWER.test(next)) return true;
    return this.#prefixes.beforeNumber.has(prefix) && STARTS_WITH_DIGIT.test(next);
  }
}

function apostropheRules(language: string): readonly Rule[] {
  if (language === "en") return ENGLISH_APOSTROPHES;
  if (language === "fr" || language === "it") return ROMANCE_APOSTROPHES;
  return OTHER_APOSTROPHES;
}

function applyRules(rules: readonly Rule[], text: string): string {
  let result = text;
  for (const [pattern, replacement] of rules) result = result.replace(pattern, replacement);
  return result;
}

/** Hides runs of dots behind a word, so that they stay together. */
function markDots(text: string): string {
  return text.replace(DOTS, (dots) => ` ${"DOT".repeat(dots.length)}MULTI `);
}

function restoreDots(text: string): string {
  return text.replace(DOTS_MARKER, (_, marks: string) => ".".repeat(marks.length / 3));
}
