/** Padded batches from examples. */
import type { Batch } from "./batch.ts";
import type { PairExample } from "./parallel-text.ts";

/** The ids that batching needs. */
export interface BatchIds {
  /** First decoder input: BOS, or EOS where `target_begin_of_sentence` is `eos`. */
  readonly start: number;
  /** Ends sentences and pads them. */
  readonly eos: number;
}

/** Lengths that a batch is padded to. */
export interface PaddedLengths {
  readonly source: number;
  readonly target: number;
}

/**
 * Pads the examples at `indices` to the longest source and the longest target among them.
 * @param least pads to these lengths where nothing is longer
 */
export function makeBatch(
  examples: readonly PairExample[],
  indices: Int32Array,
  ids: BatchIds,
  least: PaddedLengths = { source: 0, target: 0 },
): Batch {
  const chosen = Array.from(indices, (index) => examples[index]!);
  const sources = padded(
    chosen.map((example) => example.source),
    ids.eos,
    least.source,
  );
  const targets = padded(
    chosen.map((example) => example.target),
    ids.eos,
    least.target,
  );
  const { time } = targets;
  const targetInput = new Int32Array(targets.ids.length);
  for (let row = 0; row < chosen.length; row++) {
    const at = row * time;
    targetInput.set(targets.ids.subarray(at, at + time - 1), at + 1);
    targetInput[at] = ids.start;
  }
  return {
    size: chosen.length,
    sourceTime: sources.time,
    targetTime: time,
    source: sources.ids,
    sourceLengths: sources.lengths,
    target: targets.ids,
    targetLengths: targets.lengths,
    targetInput,
    indices: indices.slice(),
  };
}

/** Rows of ids, padded with EOS to the longest. */
interface PaddedRows {
  readonly time: number;
  /** [rows · time]. */
  readonly ids: Int32Array;
  /** [rows], lengths before padding. */
  readonly lengths: Int32Array;
}

function padded(rows: readonly Int32Array[], eos: number, least: number): PaddedRows {
  const time = rows.reduce((longest, row) => Math.max(longest, row.length), least);
  const ids = new Int32Array(rows.length * time).fill(eos);
  rows.forEach((row, i) => {
    ids.set(row, i * time);
  });
  return { time, ids, lengths: Int32Array.from(rows, (row) => row.length) };
}
