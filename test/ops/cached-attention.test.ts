import * as tf from "@tensorflow/tfjs";
import { expect, it } from "vitest";
import { gridOf } from "../../src/core/affine.ts";
import { attendToCells, type CachedCell } from "../../src/core/cached-attention.ts";
import type { Rounding } from "../../src/core/qtype.ts";
import { RandomStream } from "../../src/core/random.ts";
import { CheckpointError } from "../../src/errors.ts";
import { cachedAttention, type KeptKeys, narrowCodes } from "../../src/ops/cached-attention.ts";
import { describeVariants, expectFlatMemory } from "../helpers/backend-variants.ts";
import { expectClose } from "../helpers/numeric.ts";

interface Case {
  readonly heads: number;
  readonly depth: number;
  readonly rows: number;
  /** Steps of a past, or positions of a memory. */
  readonly keys: number;
  readonly codes: boolean;
  readonly softmax: { bits: number; rounding: Rounding } | null;
}

const FINE = { bits: 8, rounding: "half_even" } as const;
const SIZES = [
  { heads: 4, depth: 32, rows: 5 },
  { heads: 4, depth: 3, rows: 7 },
  { heads: 1, depth: 1, rows: 1 },
  { heads: 3, depth: 20, rows: 2 },
  { heads: 2, depth: 13, rows: 33 },
];
const LENGTHS = [1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 23, 31, 40];
const KINDS = [
  { codes: false, softmax: null },
  { codes: false, softmax: FINE },
  { codes: true, softmax: null },
  { codes: true, softmax: FINE },
  { codes: true, softmax: { bits: 4, rounding: "half_up" } as const },
  { codes: false, softmax: { bits: 3, rounding: "half_up" } as const },
];
const CASES: Case[] = KINDS.flatMap((kind) =>
  LENGTHS.map((keys, i) => ({ ...SIZES[i % SIZES.length]!, ...kind, keys })),
);

const QUERY_SCALE = Math.fround(0.031);
const CELL_SCALE = Math.fround(0.017);

/** Values, or codes of eight bits with both ends among them. */
function draw(random: RandomStream, size: number, codes: boolean): Float32Array {
  return Float32Array.from({ length: size }, () =>
    codes ? Math.max(-128, Math.min(127, Math.round(60 * random.normal()))) : random.normal(),
  );
}

/** A past in which the number of rows changes, and what each row finds in it. */
function makePast({ heads, depth, rows, keys, codes }: Case, random: RandomStream) {
  const units = heads * depth;
  const steps = Array.from({ length: keys }, (_, time) => {
    const own = time === keys - 1 ? rows : 1 + random.integer(2 * rows);
    return { rows: own, data: draw(random, own * 3 * units, codes) };
  });
  const ancestors = Int32Array.from({ length: rows * keys }, (_, i) =>
    i % keys === keys - 1 ? Math.floor(i / keys) : random.integer(steps[i % keys]!.rows),
  );
  const cellsOf = (row: number): CachedCell[] =>
    steps.map(({ data }, time) => ({
      data,
      start: (3 * ancestors[row * keys + time]! + 1) * units,
    }));
  return { steps, ancestors, cellsOf, queries: steps.at(-1)!.data };
}

function expectedOf(c: Case, queries: Float32Array, width: number, cellsOf: CellsOf): Float32Array {
  const units = c.heads * c.depth;
  const out = new Float32Array(c.rows * units);
  const spec = {
    ...{ heads: c.heads, depth: c.depth },
    scales: c.codes ? { queries: QUERY_SCALE, cells: CELL_SCALE } : null,
    softmax: c.softmax === null ? null : gridOf("softmax", c.softmax.bits, 1, c.softmax.rounding),
  };
  for (let row = 0; row < c.rows; row++) {
    const query = queries.subarray(row * width, row * width + units);
    attendToCells(query, cellsOf(row), spec, out.subarray(row * units, (row + 1) * units));
  }
  return out;
}

type CellsOf = (row: number) => CachedCell[];

function attend(c: Case, queries: tf.Tensor2D, kept: KeptKeys, column: number): tf.Tensor {
  const scales = { queries: tf.scalar(QUERY_SCALE), cells: tf.scalar(CELL_SCALE) };
  return cachedAttention(queries, kept, {
    ...{ heads: c.heads, units: c.heads * c.depth, column },
    ...{ scales: c.codes ? scales : null, softmax: c.softmax },
  });
}

function attendToPast(c: Case, past: ReturnType<typeof makePast>, ancestors = past.ancestors) {
  return tf.tidy(() => {
    const units = c.heads * c.depth;
    const tensors = past.steps.map(({ data, rows }) => tf.tensor2d(data, [rows, 3 * units]));
    const kept = {
      steps: c.codes ? tensors.map((step) => narrowCodes(step, 2 * units)) : tensors,
      ancestors: tf.tensor2d(ancestors, [c.rows, c.keys], "int32"),
    };
    return attend(c, tensors.at(-1)!, kept, units).dataSync() as Float32Array;
  });
}

describeVariants("cachedAttention", ({ sums }) => {
  // Compositions round the exponential in their own way: a code may be another one.
  const expectResult = (
    received: Float32Array,
    expected: Float32Array,
    { softmax }: Case,
  ): void => {
    if (sums === "exact") expect(received).toEqual(expected);
    else expectClose(received, expected, softmax === null ? 1e-5 : 4 * 2 ** -softmax.bits);
  };

  it.each(CASES)("finds each row's past where its ancestors left it: %o", (c) => {
    const past = makePast(c, new RandomStream({ seed: c.keys, stream: 0 }));
    const expected = expectedOf(c, past.queries, 3 * c.heads * c.depth, past.cellsOf);
    expectResult(attendToPast(c, past), expected, c);
  });

  it.each(CASES)("shares a memory among the rows of a sentence: %o", (c) => {
    const random = new RandomStream({ seed: c.keys, stream: 1 });
    const units = c.heads * c.depth;
    const lengths = Int32Array.of(c.keys, 1 + random.integer(c.keys), Math.ceil(c.keys / 2));
    const sentences = Int32Array.from({ length: c.rows }, () => random.integer(3));
    const data = draw(random, 3 * c.keys * 2 * units, c.codes);
    const queries = draw(random, c.rows * units, c.codes);
    const cellsOf = (row: number): CachedCell[] =>
      Array.from({ length: lengths[sentences[row]!]! }, (_, time) => ({
        ...{ data, start: (sentences[row]! * c.keys + time) * 2 * units },
      }));
    const received = tf.tidy(() => {
      const flat = tf.tensor2d(data, [3 * c.keys, 2 * units]);
      const cells = c.codes ? narrowCodes(flat, 2 * units) : flat;
      const kept = {
        memory: tf.reshape<tf.Rank.R3>(cells, [3, c.keys, cells.shape[1]]),
        ...{ sentences: tf.tensor1d(sentences, "int32"), lengths: tf.tensor1d(lengths, "int32") },
      };
      return attend(c, tf.tensor2d(queries, [c.rows, units]), kept, 0).dataSync() as Float32Array;
    });
    expectResult(received, expectedOf(c, queries, units, cellsOf), c);
  });

  it("notices one wrong ancestor", () => {
    // On a coarse grid a probability may be 0, and what it weighs unseen.
    for (const c of CASES.filter((c) => c.softmax === null && c.keys > 4 && c.rows > 1)) {
      const past = makePast(c, new RandomStream({ seed: 3, stream: 2 }));
      const right = attendToPast(c, past);
      const time = past.steps.findIndex(({ rows }) => rows > 1);
      const wrong = past.ancestors.slice();
      wrong[c.keys + time] = (wrong[c.keys + time]! + 1) % past.steps[time]!.rows;
      const received = attendToPast(c, past, wrong);
      const units = c.heads * c.depth;
      expect(received.slice(0, units)).toEqual(right.slice(0, units));
      expect(received.slice(units, 2 * units)).not.toEqual(right.slice(units, 2 * units));
    }
  });

  it("keeps NaN of queries, and refuses NaN among codes that are to be kept", () => {
    const c: Case = { heads: 2, depth: 3, rows: 2, keys: 3, codes: true, softmax: FINE };
    const past = makePast(c, new RandomStream({ seed: 5, stream: 3 }));
    past.queries[18] = NaN; // the second row's first head
    const received = attendToPast(c, past);
    expect([...received].map(Number.isNaN)).toEqual(
      Array.from({ length: 12 }, (_, i) => i >= 6 && i < 9),
    );
    past.queries[18 + 6 + 10] = NaN;
    if (sums === "exact") expect(() => attendToPast(c, past)).toThrow(CheckpointError);
  });

  it("leaks nothing", () => {
    const [values, codes] = [CASES[5]!, CASES.at(-14)!];
    for (const c of [values, codes]) {
      const past = makePast(c, new RandomStream({ seed: 6, stream: 4 }));
      expectFlatMemory(() => attendToPast(c, past));
    }
  });
});
