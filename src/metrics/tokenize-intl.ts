/** Tokens of mteval-v14's international tokenizer: Unicode punctuation and symbols split off. */
import { splitWhitespace } from "../text/whitespace.ts";

/** The tokens of a line, joined by single blanks; punctuation between digits stays. */
export function tokenizeIntl(line: string): string {
  const text = line
    .replace(/(\P{N})(\p{P})/gu, "$1 $2 ")
    .replace(/(\p{P})(\P{N})/gu, " $1 $2")
    .replace(/(\p{S})/gu, " $1 ");
  return splitWhitespace(text).join(" ");
}
