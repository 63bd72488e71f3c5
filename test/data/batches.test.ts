import { describe, expect, it } from "vitest";
import { RandomStream } from "../../src/core/random.ts";
import { evaluationBatches, BatchStream } from "../../src/data/batch-stream.ts";
import { bucketOf, makeBuckets } from "../../src/data/bucketing.ts";
import { makeBatch } from "../../src/data/make-batch.ts";
import type { PairExample } from "../../src/data/parallel-text.ts";

const IDS = { start: 7, eos: 9 };

function randomExamples(count: number, longest: number): PairExample[] {
  const random = new RandomStream({ seed: 3, stream: 0 });
  const side = (): Int32Array => {
    const words = Array.from({ length: 1 + random.integer(longest - 1) }, () => random.integer(6));
    return Int32Array.from([...words, IDS.eos]);
  };
  return Array.from({ length: count }, () => ({ source: side(), target: side() }));
}

describe("makeBatch", () => {
  it("pads with EOS and shifts the input to the right", () => {
    const examples = [
      { source: Int32Array.of(1, 2, 9), target: Int32Array.of(3, 9) },
      { source: Int32Array.of(5, 9), target: Int32Array.of(4, 5, 6, 9) },
    ];
    expect(makeBatch(examples, Int32Array.of(1, 0), IDS)).toEqual({
      size: 2,
      sourceTime: 3,
      targetTime: 4,
      source: Int32Array.of(5, 9, 9, 1, 2, 9),
      sourceLengths: Int32Array.of(2, 3),
      target: Int32Array.of(4, 5, 6, 9, 3, 9, 9, 9),
      targetLengths: Int32Array.of(4, 2),
      targetInput: Int32Array.of(7, 4, 5, 6, 7, 3, 9, 9),
      indices: Int32Array.of(1, 0),
    });
  });
});

describe("makeBuckets", () => {
  const sizing = { batchSize: 32768, byTokens: true, maxSourceLength: 128, maxTargetLength: 128 };

  it("gives NeurST's batch sizes", () => {
    const sizes = makeBuckets(sizing).map((bucket) => bucket.batchSize);
    expect(sizes.slice(0, 5)).toEqual([4096, 2048, 1365, 1024, 819]);
    expect(sizes).toHaveLength(16);
    expect(sizes.at(-1)).toBe(256);
  });

  it("ends at the longest lengths and pairs the sides in proportion", () => {
    const buckets = makeBuckets({ ...sizing, maxSourceLength: 20, maxTargetLength: 50 });
    expect(buckets.map(({ source, target }) => [source, target])).toEqual([
      [8, 24],
      [16, 40],
      [20, 50],
    ]);
    expect(bucketOf(buckets, 8, 24)).toBe(0);
    expect(bucketOf(buckets, 9, 2)).toBe(1);
    expect(bucketOf(buckets, 1, 50)).toBe(2);
    expect(bucketOf(buckets, 21, 2)).toBe(-1);
  });

  it("counts sentences, or at least one where tokens do not suffice", () => {
    const small = { ...sizing, batchSize: 20, maxSourceLength: 24, maxTargetLength: 24 };
    expect(makeBuckets(small).map((b) => b.batchSize)).toEqual([2, 1, 1]);
    expect(makeBuckets({ ...small, byTokens: false }).map((b) => b.batchSize)).toEqual([
      20, 20, 20,
    ]);
  });
});

describe("BatchStream", () => {
  const sizing = { batchSize: 64, byTokens: true, maxSourceLength: 20, maxTargetLength: 20 };
  const examples = randomExamples(200, 20);
  const stream = (seed = 1): BatchStream => new BatchStream(examples, { sizing, ids: IDS, seed });
  const epochOf = (batches: BatchStream, epoch: number): number[] => {
    const indices: number[] = [];
    while (batches.state.epoch === epoch) indices.push(...batches.next().indices);
    return indices;
  };

  it("visits every example once an epoch, in another order each time", () => {
    const batches = stream();
    const count = examples.length;
    const taken: number[] = [];
    while (taken.length < 2 * count) taken.push(...batches.next().indices);
    const epochs = [taken.slice(0, count), taken.slice(count)];
    for (const epoch of epochs) {
      expect([...epoch].sort((a, b) => a - b)).toEqual([...examples.keys()]);
    }
    expect(epochs[0]).not.toEqual(epochs[1]);
  });

  it("keeps batches within their tokens", () => {
    const batches = stream();
    for (let i = 0; i < 100; i++) {
      const { size, sourceTime, targetTime } = batches.next();
      expect(size * Math.max(sourceTime, targetTime)).toBeLessThanOrEqual(64);
    }
  });

  it("depends on the seed alone", () => {
    expect(epochOf(stream(1), 0)).toEqual(epochOf(stream(1), 0));
    expect(epochOf(stream(1), 0)).not.toEqual(epochOf(stream(2), 0));
  });

  it.each([0, 1, 7, 60, 150])("continues exactly after %i batches", (taken) => {
    const whole = stream();
    for (let i = 0; i < taken; i++) whole.next();
    const state: unknown = JSON.parse(JSON.stringify(whole.state));
    const resumed = stream();
    resumed.next();
    resumed.restore(state as typeof whole.state);
    expect(resumed.state).toEqual(whole.state);
    for (let i = 0; i < 80; i++) expect(resumed.next()).toEqual(whole.next());
  });

  it("refuses a state of another seed, other data or other batch sizes", () => {
    const { state } = stream();
    expect(() => {
      stream(2).restore(state);
    }).toThrow(/seed: expected 1, .* received 2/);
    const changed = [...examples.slice(1), examples[0]!];
    for (const other of [
      new BatchStream(changed, { sizing, ids: IDS, seed: 1 }),
      new BatchStream(examples, { sizing: { ...sizing, batchSize: 128 }, ids: IDS, seed: 1 }),
    ]) {
      expect(() => {
        other.restore(state);
      }).toThrow(/training data: expected the sentences/);
    }
  });

  it("refuses examples that no bucket holds, and no examples", () => {
    const long = [{ source: new Int32Array(21), target: new Int32Array(2) }];
    const make = (some: PairExample[]) => () => new BatchStream(some, { sizing, ids: IDS, seed: 1 });
    expect(make(long)).toThrow(/example 0: expected at most 20 source/);
    expect(make([])).toThrow(/at least one sentence pair/);
  });
});

describe("evaluationBatches", () => {
  it("gives every example once, shortest first, the last batch smaller", () => {
    const examples = randomExamples(25, 12);
    const batches = [...evaluationBatches(examples, 10, IDS)];
    expect(batches.map((batch) => batch.size)).toEqual([10, 10, 5]);
    const order = batches.flatMap((batch) => [...batch.indices]);
    expect([...order].sort((a, b) => a - b)).toEqual([...examples.keys()]);
    const longest = order.map((i) =>
      Math.max(examples[i]!.source.length, examples[i]!.target.length),
    );
    expect(longest).toEqual([...longest].sort((a, b) => a - b));
  });
});
