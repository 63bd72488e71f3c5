/**
 * Which kernels can be divided among threads, and along what. Every element of the result is made by
 * one thread in the order of one thread, so the bits do not depend on the division. Kernels that sum over
 * rows are not here: they run on the calling thread.
 */
import type { Job } from "./job.ts";

/** Makes a job of the arguments of a call. */
export type Split = (values: readonly number[]) => Job;

/** Nanoseconds of an element on one thread of a server of 2023, and of a multiplication and addition. */
const NANOSECONDS = {
  adam: 0.47,
  additiveScores: 1,
  additiveScoresGrad: 2,
  attentionSoftmax: 2.3,
  codeGemm: 0.021,
  crossEntropy: 2.1,
  crossEntropyGrad: 0.13,
  dropout: 0.34,
  fakeQuant: 0.17,
  gemm: 0.04,
  layerNorm: 0.45,
  logSoftmax: 2.3,
  lstmCell: 6,
  lstmSequence: 0.04,
  lstmSequenceGrad: 0.04,
  sigmoid: 0.6,
  softmaxGrad: 0.19,
  tanh: 0.8,
} as const;
type Divided = keyof typeof NANOSECONDS;

/** Rows of the register tile of products. */
const TILE_ROWS = 5;
/** Rows for which packing the right operand once more costs little. */
const PACKED_ROWS = 240;

/** Rows `values[at]` to `values[at + 1]`; a row has `values[width]` elements. */
function rows(name: Divided, at: number, width: number): Split {
  return (values) => ({
    name,
    values: replaced(values, at, 0),
    begin: values[at]!,
    end: values[at + 1]!,
    grain: 1,
    unitNanoseconds: values[width]! * NANOSECONDS[name],
    strides: [[at, 1]],
    endAt: at + 1,
  });
}

/** Elements `values[at]` to `values[at + 1]`, in whole SIMD registers. */
function elements(name: Divided, at: number): Split {
  return (values) => ({
    name,
    values: replaced(values, at, 0),
    begin: values[at]!,
    end: values[at + 1]!,
    grain: 4,
    unitNanoseconds: NANOSECONDS[name],
    strides: [[at, 1]],
    endAt: at + 1,
  });
}

const runs = rows("fakeQuant", 2, 5);

/** Runs of one channel; whole rows where each element has its channel; elements where all have one. */
const fakeQuant: Split = (values) => {
  const [x, out, begin, end, channels, inner] = values as [
    ...[number, number, number, number, number, number],
  ];
  if (channels !== 1) return { ...runs(values), grain: inner === 1 ? channels : 1 };
  const bytes = 4 * inner * begin;
  return {
    name: "fakeQuant",
    values: [x + bytes, out + bytes, 0, 1, ...values.slice(4)],
    begin: 0,
    end: (end - begin) * inner,
    grain: 4,
    unitNanoseconds: NANOSECONDS.fakeQuant,
    strides: [
      [0, 4],
      [1, 4],
    ],
    lengthAt: 5,
  };
};

/** Whole products where there are several, rows of one product. */
const gemm: Split = (values) => {
  const [m, n, k] = values.slice(3, 6) as [number, number, number];
  const count = values[8]!;
  const [strideA, strideB, strideC] = values.slice(9, 12) as [number, number, number];
  if (count !== 1) {
    return {
      name: "gemm",
      values,
      begin: 0,
      end: count,
      grain: 1,
      unitNanoseconds: m * n * k * NANOSECONDS.gemm,
      strides: [
        [0, strideA],
        [1, strideB],
        [2, strideC],
      ],
      lengthAt: 8,
      scratchAt: 13,
    };
  }
  return {
    name: "gemmRows",
    values: [...values.slice(0, 8), 0, m, ...values.slice(12)],
    begin: 0,
    end: m,
    grain: TILE_ROWS,
    unitNanoseconds: n * k * NANOSECONDS.gemm,
    leastUnits: PACKED_ROWS,
    strides: [[8, 1]],
    endAt: 9,
    scratchAt: 11,
  };
};

/** Largest common axis whose narrowed rows fit into a thread's scratch memory, that of products. */
const LONGEST_CODES = 2048;

/** Rows of a product of codes; the right operand is packed already. */
const codeGemm: Split = (values) => {
  const [n, k] = values.slice(5, 7) as [number, number];
  return {
    ...rows("codeGemm", 3, 5)(values),
    grain: TILE_ROWS,
    unitNanoseconds: k > LONGEST_CODES ? 0 : n * k * NANOSECONDS.codeGemm,
    scratchAt: 9,
  };
};

/** Fewer rows of a batch would use the packed kernel too little. */
const RECURRENT_ROWS = 16;
/** Rows of the register tile of their products. */
const RECURRENT_GRAIN = 4;

/** Rows of a batch through all steps: each is independent of the others. */
function sequences(name: "lstmSequence" | "lstmSequenceGrad", sizesAt: number): Split {
  return (values) => {
    const [time, batch, units] = values.slice(sizesAt, sizesAt + 3) as [number, number, number];
    return {
      name,
      values,
      begin: 0,
      end: batch,
      grain: RECURRENT_GRAIN,
      unitNanoseconds: time * 4 * units * units * NANOSECONDS[name],
      leastUnits: RECURRENT_ROWS,
      strides: [[sizesAt + 3, 1]],
      endAt: sizesAt + 4,
      scratchAt: sizesAt + 5,
    };
  };
}

/** Rows of queries, or members of the batch, that each have `sourceTime` keys per query. */
function scores(
  name: "additiveScores" | "additiveScoresGrad",
  at: number,
  queriesOf: (time: number) => number,
): Split {
  return (values) => {
    const [time, sourceTime, units] = values.slice(at + 2, at + 5) as [number, number, number];
    return {
      ...rows(name, at, at + 4)(values),
      unitNanoseconds: queriesOf(time) * sourceTime * units * NANOSECONDS[name],
    };
  };
}

function replaced(values: readonly number[], at: number, value: number): number[] {
  const changed = [...values];
  changed[at] = value;
  return changed;
}

/** The kernels that are divided, by name. */
export const SPLITS: Readonly<Record<Divided, Split>> = {
  adam: elements("adam", 7),
  additiveScores: scores("additiveScores", 6, () => 1),
  additiveScoresGrad: scores("additiveScoresGrad", 9, (time) => time),
  attentionSoftmax: rows("attentionSoftmax", 2, 4),
  codeGemm,
  crossEntropy: rows("crossEntropy", 4, 6),
  crossEntropyGrad: rows("crossEntropyGrad", 4, 6),
  dropout: elements("dropout", 2),
  fakeQuant,
  gemm,
  layerNorm: rows("layerNorm", 4, 6),
  logSoftmax: rows("logSoftmax", 2, 4),
  lstmCell: rows("lstmCell", 5, 7),
  lstmSequence: sequences("lstmSequence", 9),
  lstmSequenceGrad: sequences("lstmSequenceGrad", 10),
  sigmoid: elements("sigmoid", 2),
  softmaxGrad: rows("softmaxGrad", 3, 5),
  tanh: elements("tanh", 2),
};
