/** Buckets of similar lengths, so that batches hold little padding. */

/** Pairs of at most these lengths, so many in a batch. */
export interface Bucket {
  /** Longest source in tokens, EOS included. */
  readonly source: number;
  readonly target: number;
  /** Pairs in a full batch. */
  readonly batchSize: number;
}

/** How batches are sized. */
export interface BatchSizing {
  /** Tokens of the longer side, padding included, if `byTokens`; else sentence pairs. */
  readonly batchSize: number;
  readonly byTokens: boolean;
  readonly maxSourceLength: number;
  readonly maxTargetLength: number;
}

const STEP = 8;

/**
 * NeurST's buckets for translation: a boundary every 8 tokens up to the longest length of each
 * side, the sides paired in proportion where one has more. A batch by tokens holds
 * ⌊batchSize / max(source, target)⌋ pairs, at least one.
 * @see NeurST, neurst/tasks/translation.py
 */
export function makeBuckets(sizing: BatchSizing): Bucket[] {
  const sources = boundaries(sizing.maxSourceLength);
  const targets = boundaries(sizing.maxTargetLength);
  const count = Math.min(sources.length, targets.length);
  return Array.from({ length: count }, (_, i) => {
    const source = sources[Math.ceil(((i + 1) * sources.length) / count) - 1]!;
    const target = targets[Math.ceil(((i + 1) * targets.length) / count) - 1]!;
    const tokens = Math.max(source, target);
    const batchSize = sizing.byTokens
      ? Math.max(1, Math.floor(sizing.batchSize / tokens))
      : sizing.batchSize;
    return { source, target, batchSize };
  });
}

/** Index of the first bucket that holds both lengths, or −1. */
export function bucketOf(
  buckets: readonly Bucket[],
  sourceLength: number,
  targetLength: number,
): number {
  return buckets.findIndex(
    (bucket) => sourceLength <= bucket.source && targetLength <= bucket.target,
  );
}

/** 8, 16, 24 … and the longest length itself. */
function boundaries(longest: number): number[] {
  const count = Math.ceil(longest / STEP);
  return Array.from({ length: count }, (_, i) => Math.min((i + 1) * STEP, longest));
}
