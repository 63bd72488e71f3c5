/**
 * Tokens of mteval-v14's international tokenizer: Unicode punctuation and symbols split off.
 *
 * What is a punctuation mark or a symbol comes from the Unicode version of the JavaScript engine,
 * as it comes from that of the `regex` module in sacrebleu: they can differ in new characters.
 */
import { splitWhitespace } from "../text/whitespace.ts";

/** The tokens of a line, joined by single blanks; punctuation between digits stays. */
export function tokenizeIntl(line: string): string {
  const text = line
    .replace(/(\P{N})(\p{P})/gu, "$1 $2 ")
    .replace(/(\p{P})(\P{N})/gu, " $1 $2")
    .replace(/(\p{S})/gu, " $1 ");
  return splitWhitespace(text).join(" ");
}
