/** Tokens of Chinese text as sacrebleu makes them: each ideograph alone, the rest as in 13a. */
import { stripWhitespace } from "../text/whitespace.ts";
import { splitWesternPunctuation } from "./tokenize-13a.ts";

/**
 * First and last code points of what counts as an ideograph. U+2001 to U+2A6D and U+2F81 to U+2FA1
 * are sacrebleu's: its source means supplementary planes there, and scores depend on it.
 */
const IDEOGRAPHS: readonly (readonly [number, number])[] = [
  [0x2001, 0x2a6d],
  [0x2e80, 0x303f],
  [0x3100, 0x312f],
  [0x31a0, 0x31bf],
  [0x31c0, 0x31ef],
  [0x3200, 0x33ff],
  [0x3400, 0x4db5],
  [0x4e00, 0x9fbb],
  [0xf900, 0xfa2d],
  [0xfa30, 0xfa6a],
  [0xfa70, 0xfad9],
  [0xfe10, 0xfe1f],
  [0xfe30, 0xfe4f],
  [0xff00, 0xffef],
];

/** The tokens of a line, joined by single blanks. */
export function tokenizeZh(line: string): string {
  let text = "";
  for (const character of stripWhitespace(line)) {
    text += isIdeograph(character.codePointAt(0)!) ? ` ${character} ` : character;
  }
  return splitWesternPunctuation(text);
}

function isIdeograph(point: number): boolean {
  return IDEOGRAPHS.some(([first, last]) => first <= point && point <= last);
}
