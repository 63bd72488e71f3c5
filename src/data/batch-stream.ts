/** The endless sequence of training batches, which can be left and taken up at any batch. */
import { RandomStream } from "../core/random.ts";
import { ConfigError, DataError } from "../errors.ts";
import type { Batch } from "./batch.ts";
import { bucketOf, makeBuckets, type BatchSizing, type Bucket } from "./bucketing.ts";
import { makeBatch, type BatchIds } from "./make-batch.ts";
import type { PairExample } from "./parallel-text.ts";

/** Where a stream is; plain values, fit for JSON. */
export interface BatchStreamState {
  readonly seed: number;
  /** Passes over the data that are complete, from 0. */
  readonly epoch: number;
  /** Batches already taken from this epoch. */
  readonly batch: number;
  /** Hash of the examples and the batch sizes: a state fits only the data it was made with. */
  readonly fingerprint: string;
}

/** How examples become batches. */
export interface BatchStreamOptions {
  readonly sizing: BatchSizing;
  readonly ids: BatchIds;
  /** Order of each epoch; the same seed gives the same batches. */
  readonly seed: number;
  /**
   * Pads every batch to the longest lengths of its bucket [default: false]: at most two shapes for
   * each bucket, full and left over, where steps are captured once for each shape.
   */
  readonly padToBucket?: boolean;
}

/** Keeps the numbers of shuffling apart from those of other users of the same seed. */
const SHUFFLE_STREAMS = 2 ** 40;

/**
 * Batches of an endless run over the examples. Each epoch visits every example once, in an order
 * that follows from (seed, epoch); a bucket that is full becomes a batch, and what is left in the
 * buckets at the end of the epoch becomes smaller ones.
 */
export class BatchStream {
  readonly #examples: readonly PairExample[];
  readonly #ids: BatchIds;
  readonly #padToBucket: boolean;
  readonly #seed: number;
  readonly #buckets: readonly Bucket[];
  readonly #bucketOfExample: Uint16Array;
  readonly #fingerprint: string;
  #epoch = 0;
  #batch = 0;
  #order: Generator<Int32Array, void, undefined>;

  /** @throws {DataError} if there is no example, or one is longer than the longest length */
  constructor(examples: readonly PairExample[], options: BatchStreamOptions) {
    this.#examples = examples;
    this.#ids = options.ids;
    this.#padToBucket = options.padToBucket ?? false;
    this.#seed = options.seed;
    this.#buckets = makeBuckets(options.sizing);
    this.#bucketOfExample = assignBuckets(examples, this.#buckets);
    this.#fingerprint = fingerprintOf(examples, this.#buckets);
    this.#order = this.#epochBatches(0);
  }

  /** Shapes that batches are made for. */
  get buckets(): readonly Bucket[] {
    return this.#buckets;
  }

  /** The next batch. */
  next(): Batch {
    const indices = this.#nextIndices();
    const bucket = this.#buckets[this.#bucketOfExample[indices[0]!]!];
    return makeBatch(this.#examples, indices, this.#ids, this.#padToBucket ? bucket : undefined);
  }

  /** What {@link restore} needs to continue with the batch that `next` would give now. */
  get state(): BatchStreamState {
    return {
      seed: this.#seed,
      epoch: this.#epoch,
      batch: this.#batch,
      fingerprint: this.#fingerprint,
    };
  }

  /**
   * Continues from a saved state.
   * @throws {ConfigError} if the state was made with another seed; {@link DataError} with other data
   *   or batch sizes
   */
  restore(state: BatchStreamState): void {
    if (state.seed !== this.#seed) {
      throw new ConfigError(
        `seed: expected ${state.seed}, with which the run was started, received ${this.#seed}. ` +
          "Resume with the same seed.",
      );
    }
    if (state.fingerprint !== this.#fingerprint) {
      throw new DataError(
        "training data: expected the sentences and batch sizes of the run that is resumed, " +
          "received others. Resume with the same files, vocabulary and batch settings.",
      );
    }
    this.#epoch = state.epoch;
    this.#batch = 0;
    this.#order = this.#epochBatches(state.epoch);
    while (this.#batch < state.batch) this.#nextIndices();
  }

  #nextIndices(): Int32Array {
    let next = this.#order.next();
    if (next.done === true) {
      this.#epoch++;
      this.#batch = 0;
      this.#order = this.#epochBatches(this.#epoch);
      next = this.#order.next();
    }
    this.#batch++;
    return next.value!;
  }

  /** Indices of the examples of each batch of an epoch. */
  *#epochBatches(epoch: number): Generator<Int32Array, void, undefined> {
    const random = new RandomStream({ seed: this.#seed, stream: SHUFFLE_STREAMS + epoch });
    const open: number[][] = this.#buckets.map(() => []);
    for (const index of random.permutation(this.#examples.length)) {
      const bucket = this.#bucketOfExample[index]!;
      open[bucket]!.push(index);
      if (open[bucket]!.length < this.#buckets[bucket]!.batchSize) continue;
      yield Int32Array.from(open[bucket]!);
      open[bucket] = [];
    }
    for (const rest of open) if (rest.length > 0) yield Int32Array.from(rest);
  }
}

/**
 * Every example once, for evaluation: sorted by length so that batches hold little padding, at most
 * `size` in a batch. `Batch.indices` tells which is which.
 * @param granularity pads both sides of a batch to one length, a multiple of this; 0 pads each side to
 *   its longest sentence. Few lengths make few shapes where steps are captured
 */
export function* evaluationBatches(
  examples: readonly PairExample[],
  size: number,
  ids: BatchIds,
  granularity = 0,
): Generator<Batch, void, undefined> {
  const longer = (i: number): number =>
    Math.max(examples[i]!.source.length, examples[i]!.target.length);
  const order = Int32Array.from(examples.keys()).sort((a, b) => longer(a) - longer(b) || a - b);
  for (let start = 0; start < order.length; start += size) {
    const indices = order.subarray(start, start + size);
    const least = Math.ceil(longer(indices.at(-1)!) / granularity) * granularity;
    const both = granularity === 0 ? undefined : { source: least, target: least };
    yield makeBatch(examples, indices, ids, both);
  }
}

function assignBuckets(
  examples: readonly PairExample[],
  buckets: readonly Bucket[],
): Uint16Array {
  if (examples.length === 0) {
    throw new DataError(
      "training data: expected at least one sentence pair, received none. Check the files.",
    );
  }
  return Uint16Array.from(examples, ({ source, target }, index) => {
    const bucket = bucketOf(buckets, source.length, target.length);
    if (bucket >= 0) return bucket;
    const { source: longestSource, target: longestTarget } = buckets.at(-1)!;
    throw new DataError(
      `training data, example ${index}: expected at most ${longestSource} source and ` +
        `${longestTarget} target tokens, received ${source.length} and ${target.length}. ` +
        "Raise max_src_len and max_trg_len, or drop or truncate long pairs.",
    );
  });
}

/** FNV-1a over lengths, ids and batch sizes, 32 bits, in hexadecimal. */
function fingerprintOf(examples: readonly PairExample[], buckets: readonly Bucket[]): string {
  let hash = 0x811c9dc5;
  const add = (value: number): void => {
    hash = Math.imul(hash ^ value, 0x01000193);
  };
  for (const { source, target, batchSize } of buckets) [source, target, batchSize].forEach(add);
  for (const { source, target } of examples) {
    add(source.length);
    source.forEach(add);
    add(target.length);
    target.forEach(add);
  }
  return (hash >>> 0).toString(16).padStart(8, "0");
}
