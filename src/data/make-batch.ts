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

/** Sources of a batch without targets: what a decoder starts from. */
export interface SourceBatch {
  readonly size: number;
  readonly sourceTime: number;
  /** [size · sourceTime] ids, padded with EOS. */
  readonly source: Int32Array;
  /** [size], lengths with EOS. */
  readonly sourceLengths: Int32Array;
}

/** Pads the examples at `indices` to the longest source and the longest target among them. */
export function makeBatch(
  examples: readonly PairExample[],
  indices: Int32Array,
  ids: BatchIds,
): Batch {
  const chosen = Array.from(indices, (index) => examples[index]!);
  const { size, sourceTime, source, sourceLengths } = makeSourceBatch(
    chosen.map((example) => example.source),
    ids.eos,
  );
  const targets = makeSourceBatch(
    chosen.map((example) => example.target),
    ids.eos,
  );
  const targetTime = targets.sourceTime;
  const targetInput = new Int32Array(size * targetTime);
  for (let row = 0; row < size; row++) {
    const at = row * targetTime;
    targetInput.set(targets.source.subarray(at, at + targetTime - 1), at + 1);
    targetInput[at] = ids.start;
  }
  return {
    size,
    sourceTime,
    targetTime,
    source,
    sourceLengths,
    target: targets.source,
    targetLengths: targets.sourceLengths,
    targetInput,
    indices: indices.slice(),
  };
}

/** Pads token ids (EOS included) with EOS to the longest. */
export function makeSourceBatch(sources: readonly Int32Array[], eos: number): SourceBatch {
  const sourceTime = sources.reduce((longest, ids) => Math.max(longest, ids.length), 0);
  const source = new Int32Array(sources.length * sourceTime).fill(eos);
  sources.forEach((ids, row) => {
    source.set(ids, row * sourceTime);
  });
  return {
    size: sources.length,
    sourceTime,
    source,
    sourceLengths: Int32Array.from(sources, (ids) => ids.length),
  };
}
