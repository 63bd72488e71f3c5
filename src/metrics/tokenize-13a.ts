/** Tokens of mteval-v13a, the tokenizer of most published BLEU scores, as sacrebleu makes them. */
import { splitWhitespace } from "../text/whitespace.ts";

const ENTITIES: Readonly<Record<string, string>> = { quot: '"', amp: "&", lt: "<", gt: ">" };
const PUNCTUATION = /([ -&(-+/:-@[-`{-~])/g;
const MARK_AFTER_OTHER = /([^0-9])([.,])/gu;
const MARK_BEFORE_OTHER = /([.,])([^0-9])/gu;
const DASH_AFTER_DIGIT = /([0-9])(-)/g;

/** The tokens of a line, joined by single blanks. */
export function tokenize13a(line: string): string {
  let text = line.replaceAll("<skipped>", "").replaceAll("-\n", "").replaceAll("\n", " ");
  // In this order: "&amp;lt;" becomes "<".
  for (const [name, character] of Object.entries(ENTITIES)) {
    text = text.replaceAll(`&${name};`, character);
  }
  return splitWesternPunctuation(` ${text} `);
}

/** Splits ASCII punctuation from words, but a full stop or comma only where no digit is beside. */
export function splitWesternPunctuation(line: string): string {
  const text = line
    .replace(PUNCTUATION, " $1 ")
    .replace(MARK_AFTER_OTHER, "$1 $2 ")
    .replace(MARK_BEFORE_OTHER, " $1 $2")
    .replace(DASH_AFTER_DIGIT, "$1 $2 ");
  return splitWhitespace(text).join(" ");
}
