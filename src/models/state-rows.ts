/**
 * Where the rows of a decoding state look: reordering hypotheses moves these small tables and
 * nothing else.
 */

/** One row for each hypothesis. */
export interface StateRows {
  /** [rows]: the sentence of each row. */
  readonly sentences: Int32Array;
  /** [rows, time]: which row of each earlier step each row comes from. */
  readonly ancestors: Int32Array;
  readonly time: number;
}

/** One row for each sentence, before the first step. */
export function firstRows(sentences: number): StateRows {
  const own = Int32Array.from({ length: sentences }, (_, sentence) => sentence);
  return { sentences: own, ancestors: new Int32Array(0), time: 0 };
}

/** After one more step, in which each row comes from itself. */
export function rowsAfterStep({ sentences, ancestors, time }: StateRows): StateRows {
  const next = new Int32Array(sentences.length * (time + 1));
  for (let row = 0; row < sentences.length; row++) {
    const start = row * (time + 1);
    next.set(ancestors.subarray(row * time, (row + 1) * time), start);
    next[start + time] = row;
  }
  return { sentences, ancestors: next, time: time + 1 };
}

/** The given rows; repeats and drops allowed. */
export function gatherRows({ sentences, ancestors, time }: StateRows, rows: Int32Array): StateRows {
  const next = new Int32Array(rows.length * time);
  rows.forEach((row, i) => {
    next.set(ancestors.subarray(row * time, (row + 1) * time), i * time);
  });
  return { sentences: rows.map((row) => sentences[row]!), ancestors: next, time };
}
