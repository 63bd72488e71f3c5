/** Sufficient statistics of a corpus score: a row of counts for each segment, summed to score. */
import { DataError } from "../errors.ts";

/** Rows of counts, one for each segment (line) of the corpus. */
export interface SegmentStatistics {
  readonly segments: number;
  /** Counts in a row. */
  readonly width: number;
  /** [segments · width], row after row. */
  readonly values: Float64Array;
}

/** A corpus score together with what it takes to score any resample of its segments. */
export interface CorpusScore {
  /** Name of the metric with its order and beta, such as `BLEU` or `chrF2++`. */
  readonly name: string;
  /** From 0 to 100. */
  readonly score: number;
  /** How the score was made, in sacrebleu's fields; the version is this package's. */
  readonly signature: string;
  readonly statistics: SegmentStatistics;
  /** The score of rows that were summed up; does not change its argument. */
  readonly scoreOf: (totals: Float64Array) => number;
}

/** Puts equally long rows one after another. */
export function packStatistics(rows: readonly (readonly number[])[]): SegmentStatistics {
  const width = rows[0]?.length ?? 0;
  const values = new Float64Array(rows.length * width);
  rows.forEach((row, index) => {
    values.set(row, index * width);
  });
  return { segments: rows.length, width, values };
}

/** The sum of all rows. */
export function sumStatistics(statistics: SegmentStatistics): Float64Array {
  const { segments, width, values } = statistics;
  const totals = new Float64Array(width);
  for (let s = 0; s < segments; s++) {
    for (let k = 0; k < width; k++) totals[k]! += values[s * width + k]!;
  }
  return totals;
}

/**
 * Checks that there is something to score and every set of references has a line for each one.
 *
 * @throws {DataError} otherwise
 */
export function checkCorpus(
  where: string,
  hypotheses: readonly string[],
  references: readonly (readonly string[])[],
): void {
  if (hypotheses.length === 0) {
    throw new DataError(
      `${where}: expected at least one hypothesis, received none. Give a text with lines.`,
    );
  }
  if (references.length === 0) {
    throw new DataError(
      `${where}: expected at least one set of references, received none. Give a reference text.`,
    );
  }
  references.forEach((lines, index) => {
    if (lines.length !== hypotheses.length) {
      throw new DataError(
        `${where}: expected ${hypotheses.length} lines in reference set ${index + 1}, one for ` +
          `each hypothesis, received ${lines.length}. Give texts with equally many lines.`,
      );
    }
  });
}
