/** The best few tokens of each row in one pass: most fail one comparison with the worst kept. */

/** How rows of log-probabilities become scores: fround(fround(logProb + accumulated)·factor). */
export interface RowScoring {
  /** Log-probability of each row's hypothesis so far, [rows]. */
  readonly accumulated: Float32Array;
  /** Factor of the length penalty, positive, float32. */
  readonly factor: number;
  /** Tokens that may not be chosen; −1: none. */
  readonly maskedA: number;
  readonly maskedB: number;
}

/**
 * The best tokens of each row, [rows · size] each, best first; of equal scores the lower token comes
 * first. Where a row has fewer, token −1 follows the last one. A NaN score ends its row: its token
 * stands first.
 */
export interface RowCandidates {
  readonly tokens: Int32Array;
  /** accumulated + log-probability of the token. */
  readonly logProbs: Float32Array;
  readonly scores: Float32Array;
}

/** Room for the `size` best tokens of each row. */
export function makeRowCandidates(rows: number, size: number): RowCandidates {
  return {
    tokens: new Int32Array(rows * size),
    logProbs: new Float32Array(rows * size),
    scores: new Float32Array(rows * size),
  };
}

/**
 * Fills `out` with the best tokens of every row.
 * @param logProbs float32 [rows, classes]; as many rows as `scoring.accumulated`
 */
export function topCandidates(
  logProbs: Float32Array,
  scoring: RowScoring,
  out: RowCandidates,
): void {
  const rows = scoring.accumulated.length;
  const size = out.tokens.length / rows;
  const classes = logProbs.length / rows;
  for (let row = 0; row < rows; row++) {
    const values = logProbs.subarray(row * classes, (row + 1) * classes);
    const count = topOfRow(values, scoring, row, { ...out, start: row * size, size });
    out.tokens.fill(-1, row * size + count, (row + 1) * size);
  }
}

/** The part of the result that belongs to one row. */
interface TopRow extends RowCandidates {
  readonly start: number;
  readonly size: number;
}

/** @returns how many tokens were kept */
function topOfRow(values: Float32Array, scoring: RowScoring, row: number, out: TopRow): number {
  const { factor, maskedA, maskedB } = scoring;
  const { start, size, scores } = out;
  const accumulated = scoring.accumulated[row]!;
  let count = 0;
  // NaN, which nothing fails, until `size` tokens are kept.
  let threshold = NaN;
  for (let token = 0; token < values.length; token++) {
    const total = Math.fround(values[token]! + accumulated);
    const score = Math.fround(total * factor);
    if (score <= threshold || token === maskedA || token === maskedB) continue;
    if (Number.isNaN(score)) {
      put(out, start, token, total);
      scores[start] = score;
      return 1;
    }
    let at = start + Math.min(count, size - 1);
    for (; at > start && scores[at - 1]! < score; at--) {
      put(out, at, out.tokens[at - 1]!, out.logProbs[at - 1]!);
      scores[at] = scores[at - 1]!;
    }
    put(out, at, token, total);
    scores[at] = score;
    if (count < size) count++;
    if (count === size) threshold = scores[start + size - 1]!;
  }
  return count;
}

function put({ tokens, logProbs }: TopRow, at: number, token: number, logProb: number): void {
  tokens[at] = token;
  logProbs[at] = logProb;
}
