/** Scores of text files. */
import { readAllLines } from "../data/text-file.ts";
import { DataError } from "../errors.ts";
import { scoreText, type MetricSettings, type TextScore } from "./score-text.ts";

/** A file's score. */
export interface FileScore extends TextScore {
  readonly sentences: number;
}

/**
 * Scores a file of translations.
 * @param references paths of reference files, each as long as the hypotheses
 * @throws {DataError} for unreadable files or unequal numbers of lines
 */
export async function scoreFiles(
  hypothesesPath: string,
  references: readonly string[],
  metric: MetricSettings,
): Promise<FileScore> {
  const hypotheses = await readAllLines(hypothesesPath);
  const sets: string[][] = [];
  for (const path of references) {
    const lines = await readAllLines(path);
    if (lines.length !== hypotheses.length) {
      throw new DataError(
        `${hypothesesPath}: expected ${lines.length} lines as in ${path}, received ` +
          `${hypotheses.length}. Line n of both files must belong together.`,
      );
    }
    sets.push(lines);
  }
  return { ...scoreText(hypotheses, sets, metric), sentences: hypotheses.length };
}
