/** Preparing text: vocabularies, learning and applying subword merges. */
import { writeFileAtomic } from "../data/atomic-file.ts";
import { readAllLines, readTextFile, readTextLines } from "../data/text-file.ts";
import { DataError } from "../errors.ts";
import { learnBpe } from "../text/bpe-learn.ts";
import { Bpe, formatBpeCodes, parseBpeCodes } from "../text/bpe.ts";
import { MosesTokenizer } from "../text/moses-tokenize.ts";
import { countTokens, mostFrequentTokens, type VocabularyLimits } from "../text/vocabulary.ts";

/** What {@link buildVocabulary} needs. */
export interface VocabularyOptions {
  /** Text files, tokens separated by blanks. */
  readonly inputs: readonly string[];
  readonly output: string;
  readonly limits: VocabularyLimits;
  /** Adds a column with each token's count. */
  readonly withCounts: boolean;
}

/**
 * Writes a vocabulary file, most frequent tokens first.
 * @throws {DataError} if the text has no tokens
 */
export async function buildVocabulary(
  options: VocabularyOptions,
): Promise<{ output: string; tokens: number; types: number }> {
  const counts = await countFiles(options.inputs, (line) => line);
  const tokens = mostFrequentTokens(counts, options.limits);
  if (tokens.length === 0) {
    throw new DataError(
      `${options.inputs.join(", ")}: expected text with tokens, received none that occur ` +
        `${options.limits.minFrequency ?? 1} times. Check the files, or lower --min_frequency.`,
    );
  }
  const lines = tokens.map((token) =>
    options.withCounts ? `${token}\t${counts.get(token)!}` : token,
  );
  writeFileAtomic(options.output, lines.map((line) => `${line}\n`).join(""));
  return { output: options.output, tokens: tokens.length, types: counts.size };
}

/** What {@link learnCodes} needs. */
export interface LearnOptions {
  readonly inputs: readonly string[];
  readonly output: string;
  /** Merge operations to learn. */
  readonly merges: number;
  readonly minFrequency: number;
  /** Languages of the inputs, which are then tokenized first; null: they are tokenized already. */
  readonly languages: readonly string[] | null;
}

/** Learns subword merges from text and writes them. */
export async function learnCodes(
  options: LearnOptions,
): Promise<{ output: string; merges: number }> {
  const { inputs, languages } = options;
  const counts = new Map<string, number>();
  for (const [i, input] of inputs.entries()) {
    await countFiles([input], lineTokenizer(languages === null ? null : languages[i]!), counts);
  }
  const codes = learnBpe(counts, options.merges, options.minFrequency);
  writeFileAtomic(options.output, formatBpeCodes(codes));
  return { output: options.output, merges: codes.merges.length };
}

/** What {@link applyCodes} needs. */
export interface ApplyOptions {
  readonly codes: string;
  /** A text file, or null with `text`. */
  readonly input: string | null;
  readonly text?: string;
  /** Tokenize as this language first; null: the text is tokenized already. */
  readonly language: string | null;
}

/** Segments the lines of a text with learnt merges. */
export async function applyCodes(options: ApplyOptions): Promise<string[]> {
  const codes = parseBpeCodes(
    readTextFile(options.codes, "a file of subword merges", "Check --codes."),
    options.codes,
  );
  const bpe = new Bpe(codes);
  const tokenize = lineTokenizer(options.language);
  const lines =
    options.input === null ? linesOf(options.text ?? "") : await readAllLines(options.input);
  return lines.map((line) => bpe.segment(tokenize(line)).join(" "));
}

/** The lines of a text; an end after the last one makes no further line. */
export function linesOf(text: string): string[] {
  const lines = text.split(/\r?\n/);
  if (lines.at(-1) === "") lines.pop();
  return lines;
}

function lineTokenizer(language: string | null): (line: string) => string {
  if (language === null) return (line) => line;
  const moses = new MosesTokenizer(language, { aggressiveDashSplits: true, escape: false });
  return (line) => moses.tokenize(line);
}

async function countFiles(
  paths: readonly string[],
  prepare: (line: string) => string,
  counts = new Map<string, number>(),
): Promise<Map<string, number>> {
  for (const path of paths) {
    for await (const line of readTextLines(path)) countTokens([prepare(line)], counts);
  }
  return counts;
}
