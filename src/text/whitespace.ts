/**
 * Whitespace as Python's `str.isspace` has it, because the tools whose results are reproduced here
 * (Moses' tokenizer, sacrebleu) split with it: unlike JavaScript's `\s` it contains U+001C to
 * U+001F and U+0085, and not U+FEFF.
 */

/** Inside of a regular expression's brackets that matches one whitespace character. */
export const WHITESPACE =
  "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";

const RUN = new RegExp(`[${WHITESPACE}]+`, "g");
const NOT_BLANK = new RegExp(`[^${WHITESPACE}]+`, "g");
const SPACE = new RegExp(`[${WHITESPACE}]`);

/** Replaces every run of whitespace by one blank. */
export function collapseWhitespace(text: string): string {
  return text.replace(RUN, " ");
}

/** Removes whitespace from both ends. */
export function stripWhitespace(text: string): string {
  let start = 0;
  while (start < text.length && SPACE.test(text[start]!)) start++;
  return stripTrailingWhitespace(text.slice(start));
}

/** Removes any of the given characters from both ends. */
export function stripCharacters(text: string, characters: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && characters.includes(text[start]!)) start++;
  while (end > start && characters.includes(text[end - 1]!)) end--;
  return text.slice(start, end);
}

/** Removes whitespace from the end. */
export function stripTrailingWhitespace(text: string): string {
  let end = text.length;
  while (end > 0 && SPACE.test(text[end - 1]!)) end--;
  return text.slice(0, end);
}

/** The maximal parts of a text without whitespace; none for a blank text. */
export function splitWhitespace(text: string): string[] {
  return text.match(NOT_BLANK) ?? [];
}
