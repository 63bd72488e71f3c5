/**
 * Character tokens as NeurST makes them: every character for most languages; for Chinese, Japanese
 * and Korean every ideograph or syllable, with words of other scripts left whole.
 */
import { collapseWhitespace, stripWhitespace, WHITESPACE } from "./whitespace.ts";

const IDEOGRAPH = "[\\u2e80-\\u9fff\\ua000-\\ua4ff\\uac00-\\ud7ff\\uf900-\\ufaff]";
const EACH_IDEOGRAPH = new RegExp(`(${IDEOGRAPH})`, "gu");
const SPACE_AFTER = new RegExp(`(${IDEOGRAPH})[${WHITESPACE}]+`, "gu");
const SPACE_BEFORE = new RegExp(`[${WHITESPACE}]+(${IDEOGRAPH})`, "gu");

/** The characters of a line, separated by blanks; blanks themselves are lost. */
export function splitCharacters(line: string, language: string): string {
  if (!writtenWithoutBlanks(language)) return stripWhitespace(Array.from(line).join(" "));
  const spaced = line
    .replace(EACH_IDEOGRAPH, " $1 ")
    .replace(/([^0-9])([.,])/gu, "$1 $2 ")
    .replace(/([.,])([^0-9])/gu, " $1 $2")
    .replace(/([0-9])(-)/g, "$1 $2 ");
  return stripWhitespace(collapseWhitespace(spaced));
}

/** A line of characters without the blanks that separated them. */
export function joinCharacters(line: string, language: string): string {
  if (!writtenWithoutBlanks(language)) return line.replaceAll(" ", "");
  return stripWhitespace(line.replace(SPACE_AFTER, "$1").replace(SPACE_BEFORE, "$1"));
}

function writtenWithoutBlanks(language: string): boolean {
  return language === "zh" || language === "ja" || language === "ko";
}
