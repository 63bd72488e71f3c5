/** Scores of text files. */
import { readAllLines } from "../data/text-file.ts";
import { DataError } from "../errors.ts";
import { corpusBleu, type BleuSmoothing, type BleuTokenizer } from "../metrics/bleu.ts";
import { corpusChrf } from "../metrics/chrf.ts";
import { packageVersion } from "./package-version.ts";

/** What is scored, and how. */
export interface ScoreFilesOptions {
  /** Paths of reference files, each as long as the hypotheses. */
  readonly references: readonly string[];
  readonly hypotheses: string;
  readonly metric: "bleu" | "chrf";
  readonly tokenize?: BleuTokenizer;
  readonly smoothMethod?: BleuSmoothing;
  readonly wordOrder?: number;
  readonly lowercase?: boolean;
}

/** A score with what is needed to compare it. */
export interface TextScore {
  readonly name: string;
  /** 0 to 100. */
  readonly score: number;
  readonly signature: string;
  readonly sentences: number;
}

/**
 * Scores a file against references.
 * @throws {DataError} for unreadable files or unequal numbers of lines
 */
export async function scoreFiles(options: ScoreFilesOptions): Promise<TextScore> {
  const hypotheses = await readAllLines(options.hypotheses);
  const references: string[][] = [];
  for (const path of options.references) {
    const lines = await readAllLines(path);
    if (lines.length !== hypotheses.length) {
      throw new DataError(
        `${options.hypotheses}: expected ${lines.length} lines as in ${path}, received ` +
          `${hypotheses.length}. Line n of both files must belong together.`,
      );
    }
    references.push(lines);
  }
  return { ...scoreLines(hypotheses, references, options), sentences: hypotheses.length };
}

/** The chosen metric of lines. */
export function scoreLines(
  hypotheses: readonly string[],
  references: readonly (readonly string[])[],
  options: Pick<
    ScoreFilesOptions,
    "metric" | "tokenize" | "smoothMethod" | "wordOrder" | "lowercase"
  >,
): Omit<TextScore, "sentences"> {
  const {
    metric,
    tokenize = "13a",
    smoothMethod = "exp",
    wordOrder = 0,
    lowercase = false,
  } = options;
  const version = packageVersion();
  if (metric === "chrf") {
    const { score, signature } = corpusChrf(hypotheses, references, {
      wordOrder,
      lowercase,
      version,
    });
    return { name: wordOrder === 0 ? "chrF2" : `chrF2${"+".repeat(wordOrder)}`, score, signature };
  }
  const bleu = corpusBleu(hypotheses, references, { tokenize, smoothMethod, lowercase, version });
  return { name: "BLEU", score: bleu.score, signature: bleu.signature };
}
